using System.Runtime.InteropServices;

namespace Sluice.TrainStarter;

/// <summary>The starter model's weights between the steps: float32, in the order of <see cref="LlamaShape.Weights"/>.</summary>
internal static class Checkpoint
{
    public static void Save(string path, Llama model)
    {
        string partial = path + ".partial";
        using (FileStream file = File.Create(partial))
            foreach ((string name, _) in model.Shape.Weights())
                file.Write(MemoryMarshal.AsBytes<float>([.. model.Weights[name].data<float>()]));
        File.Move(partial, path, overwrite: true);
    }

    public static Llama Load(string path, bool trainable = false)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"'{path}' is not there: run `train` first.");
        using FileStream file = File.OpenRead(path);
        LlamaShape shape = LlamaShape.Starter;
        Dictionary<string, long[]> sizes = shape.Weights().ToDictionary(weight => weight.Name, weight => weight.Shape);
        return Llama.From(shape, name =>
        {
            float[] values = new float[sizes[name].Aggregate(1L, (product, length) => product * length)];
            file.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }, trainable);
    }
}
