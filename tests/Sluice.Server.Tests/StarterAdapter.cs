using Sluice.Files;

namespace Sluice.TestData;

/// <summary>An adapter of random numbers for the down maps of the starter model.</summary>
internal static class StarterAdapter
{
    /// <summary>Writes one.</summary>
    /// <returns>Its path.</returns>
    public static string Write(string path, int seed)
    {
        const int Rank = 4;
        using ModelFile model = ModelFile.Open(Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf"));
        Random random = new(seed);
        Metadata metadata = new(path)
        {
            { "general.type", "adapter" },
            { "general.architecture", model.Architecture },
            { "adapter.type", "lora" },
            { "adapter.lora.alpha", 8f },
        };
        using GgufWriter writer = GgufWriter.Create(path, metadata);
        (string Name, long[] Shape)[] tensors = [.. model.Tensors.Values.Where(tensor => tensor.Name.EndsWith("ffn_down.weight", StringComparison.Ordinal))
            .SelectMany(tensor => ((string, long[])[])[(tensor.Name + ".lora_a", [tensor.Shape[0], Rank]), (tensor.Name + ".lora_b", [Rank, tensor.Shape[1]])])];
        foreach ((string tensor, long[] shape) in tensors)
            writer.Declare(tensor, Tensors.Formats.TensorType.F32, shape);
        foreach ((string tensor, long[] shape) in tensors)
        {
            for (long i = 0; i < shape[0] * shape[1]; i++)
                writer.Write(tensor, BitConverter.GetBytes((float)(random.NextDouble() - 0.5) * 0.3f));
        }
        writer.Finish();
        return path;
    }
}
