using System.Runtime.InteropServices;
using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>A GGUF file of some F32 tensors that belong to no runnable model.</summary>
internal sealed class MadeModel
{
    public Dictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = [];

    public static MadeModel Small(int columns = 256)
    {
        MadeModel model = new();
        Random random = new(7);
        model.Add("token_embd.weight", random, columns, 64);
        for (int layer = 0; layer < 2; layer++)
        {
            model.Add($"blk.{layer}.attn_norm.weight", random, columns);
            model.Add($"blk.{layer}.attn_v.weight", random, columns, 32);
            model.Add($"blk.{layer}.ffn_gate_inp.weight", random, columns, 4);
            model.Add($"blk.{layer}.ffn_down_exps.weight", random, columns, 48, 4);
        }
        model.Add("output.weight", random, columns, 64);
        return model;
    }

    public void Write(string path)
    {
        Metadata metadata = new(path) { { "general.architecture", "llama" }, { "llama.block_count", 2u }, { "general.file_type", 0u }, { "own.key", "kept" } };
        using GgufWriter writer = GgufWriter.Create(path, metadata);
        foreach ((string name, (long[] shape, _)) in Tensors)
            writer.Declare(name, TensorType.F32, shape);
        foreach ((string name, (_, float[] values)) in Tensors)
            writer.Write(name, MemoryMarshal.AsBytes<float>(values));
        writer.Finish();
    }

    private void Add(string name, Random random, params long[] shape)
    {
        float[] values = new float[shape.Aggregate((a, b) => a * b)];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(random.NextDouble() - 0.5);
        Tensors.Add(name, (shape, values));
    }
}
