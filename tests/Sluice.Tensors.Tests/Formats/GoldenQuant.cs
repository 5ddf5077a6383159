using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Tensors.Formats;

/// <summary>tests/data/quant: what an independent implementation made of one input, with and without importance.</summary>
internal sealed record GoldenQuant(
    string Type, uint Id, bool Imatrix, int Block, int BlockBytes, double Nmse, double WeightedNmse)
{
    public static IReadOnlyList<GoldenQuant> All { get; } = JsonSerializer.Deserialize<List<GoldenQuant>>(
        File.ReadAllText(SharedFiles.Data("quant", "index.json")), JsonSerializerOptions.Web)!;

    /// <summary>The 4096 values that were quantized: 4 rows of 1024.</summary>
    public static float[] Input { get; } = Floats("input.f32");

    /// <summary>The importance of the 1024 columns.</summary>
    public static float[] Importance { get; } = Floats("imatrix.f32");

    public WeightFormat Format => WeightFormats.Get((TensorType)Id);

    public byte[] Bytes => File.ReadAllBytes(SharedFiles.Data("quant", Stem + ".q"));

    public float[] Values => Floats(Stem + ".f32");

    private string Stem => Imatrix ? Type + ".imatrix" : Type;

    public static GoldenQuant Find(string type, bool imatrix) =>
        All.Single(g => g.Imatrix == imatrix && g.Type.Equals(type, StringComparison.OrdinalIgnoreCase));

    /// <summary>The values' squared error relative to the input's squares, plain or weighted by importance.</summary>
    public static double Error(ReadOnlySpan<float> values, bool weighted)
    {
        double error = 0, total = 0;
        for (int i = 0; i < Input.Length; i++)
        {
            double weight = weighted ? Importance[i % Importance.Length] : 1;
            error += weight * Math.Pow((double)values[i] - Input[i], 2);
            total += weight * Math.Pow(Input[i], 2);
        }
        return error / total;
    }

    private static float[] Floats(string name) =>
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(SharedFiles.Data("quant", name))).ToArray();
}
