using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Models;

/// <summary>Makes an adapter ready for a model: each update is checked against the linear map that it adds to.</summary>
internal static class AdapterLoader
{
    /// <param name="file">The adapter.</param>
    /// <param name="maps">The model's linear maps, by the names of their tensors.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="scale">A factor of all updates.</param>
    public static Adapter Load(AdapterFile file, IReadOnlyDictionary<string, LinearMap> maps, string name, float scale)
    {
        Adapter adapter = new(name);
        try
        {
            (long bytes, long free) = (file.Updates.Sum(update => update.A.Bytes + update.B.Bytes), SystemMemory.Available());
            if (bytes > free)
                throw new InvalidOperationException($"{file.Path} has {bytes:N0} bytes; only {free:N0} bytes of memory are free.");
            foreach (IGrouping<Weight, (LinearMap Map, AdapterUpdate Update)> group in
                file.Updates.Select(update => (Map: Find(file, maps, update), Update: update)).ToLookup(pair => pair.Map.Weight))
            {
                adapter.Add(group.Key, [.. group.Select(pair => new LowRank(
                    pair.Map.FirstRow, Data(file, pair.Update.A, pair.Update.Inputs, pair.Update.Rank),
                    Data(file, pair.Update.B, pair.Update.Rank, pair.Update.Outputs), scale * pair.Update.Factor))]);
            }
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    private static LinearMap Find(AdapterFile file, IReadOnlyDictionary<string, LinearMap> maps, AdapterUpdate update)
    {
        if (!maps.TryGetValue(update.Name, out LinearMap map) || map.Weight.Experts != 1)
        {
            throw new NotSupportedException(
                $"{file.Path}: tensor '{update.A.Name}' is for '{update.Name}', which is {(map.Weight is null ? "no linear map of this model" : "of experts: those cannot be adapted")}.");
        }
        if (update.Inputs != map.Weight.Columns || update.Outputs != map.Rows)
        {
            (TensorInfo wrong, string expected) = update.Inputs != map.Weight.Columns
                ? (update.A, $"[{map.Weight.Columns}, {update.Rank}]") : (update.B, $"[{update.Rank}, {map.Rows}]");
            throw new InvalidDataException($"{file.Path}: tensor '{wrong.Name}' is [{string.Join(", ", wrong.Shape)}]; this model needs {expected}.");
        }
        return map;
    }

    private static WeightData Data(AdapterFile file, TensorInfo tensor, int columns, int rows)
    {
        WeightFormat format = WeightFormats.Find(tensor.Type)
            ?? throw new NotSupportedException($"{file.Path}: tensor '{tensor.Name}' is of type {tensor.Type}, which is not a weight format.");
        return WeightData.FromMap(tensor.Name, format, columns, rows, 1, tensor.Data);
    }
}
