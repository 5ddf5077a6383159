using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>Writes a small qwen2moe model of random weights as GGUF, its first layer dense if asked for.</summary>
internal static class TinyQwen2Moe
{
    public const int Hidden = 64, Inner = 32, SharedInner = 96, Experts = 4, Used = 2, DenseInner = 256, Layers = 2, Vocabulary = 128;
    private const int Heads = 4, KvHeads = 2, HeadDim = 16;

    public static void Write(string path, bool isFirstDense = false)
    {
        const string Prefix = "qwen2moe";
        Metadata metadata = new(path)
        {
            { "general.architecture", Prefix }, { $"{Prefix}.block_count", (uint)Layers }, { $"{Prefix}.context_length", 64u },
            { $"{Prefix}.embedding_length", (uint)Hidden }, { $"{Prefix}.vocab_size", (uint)Vocabulary },
            { $"{Prefix}.feed_forward_length", (uint)DenseInner }, { $"{Prefix}.attention.head_count", (uint)Heads },
            { $"{Prefix}.attention.head_count_kv", (uint)KvHeads }, { $"{Prefix}.attention.layer_norm_rms_epsilon", 1e-6f },
            { $"{Prefix}.rope.dimension_count", (uint)HeadDim }, { $"{Prefix}.rope.freq_base", 1_000_000f },
            { $"{Prefix}.expert_count", (uint)Experts }, { $"{Prefix}.expert_used_count", (uint)Used },
            { $"{Prefix}.expert_feed_forward_length", (uint)Inner }, { $"{Prefix}.expert_shared_feed_forward_length", (uint)SharedInner },
        };
        Random random = new(5);
        using GgufWriter writer = GgufWriter.Create(path, metadata);
        List<(string Name, TensorType Type, long[] Shape)> tensors =
        [
            ("token_embd.weight", TensorType.F16, [Hidden, Vocabulary]), ("output_norm.weight", TensorType.F32, [Hidden]),
            ("output.weight", TensorType.F16, [Hidden, Vocabulary]),
        ];
        for (int layer = 0; layer < Layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            tensors.AddRange(
            [
                (prefix + "attn_norm.weight", TensorType.F32, [Hidden]), (prefix + "ffn_norm.weight", TensorType.F32, [Hidden]),
                (prefix + "attn_q.weight", TensorType.F16, [Hidden, Heads * HeadDim]), (prefix + "attn_q.bias", TensorType.F32, [Heads * HeadDim]),
                (prefix + "attn_k.weight", TensorType.F16, [Hidden, KvHeads * HeadDim]), (prefix + "attn_k.bias", TensorType.F32, [KvHeads * HeadDim]),
                (prefix + "attn_v.weight", TensorType.F16, [Hidden, KvHeads * HeadDim]), (prefix + "attn_v.bias", TensorType.F32, [KvHeads * HeadDim]),
                (prefix + "attn_output.weight", TensorType.F16, [Heads * HeadDim, Hidden]),
            ]);
            if (layer == 0 && isFirstDense)
            {
                tensors.AddRange(
                [
                    (prefix + "ffn_gate.weight", TensorType.F16, [Hidden, DenseInner]), (prefix + "ffn_up.weight", TensorType.F16, [Hidden, DenseInner]),
                    (prefix + "ffn_down.weight", TensorType.F16, [DenseInner, Hidden]),
                ]);
                continue;
            }
            tensors.AddRange(
            [
                (prefix + "ffn_gate_inp.weight", TensorType.F32, [Hidden, Experts]),
                (prefix + "ffn_gate_exps.weight", TensorType.F16, [Hidden, Inner, Experts]), (prefix + "ffn_up_exps.weight", TensorType.F16, [Hidden, Inner, Experts]),
                (prefix + "ffn_down_exps.weight", TensorType.F16, [Inner, Hidden, Experts]),
                (prefix + "ffn_gate_inp_shexp.weight", TensorType.F32, [Hidden]),
                (prefix + "ffn_gate_shexp.weight", TensorType.F16, [Hidden, SharedInner]), (prefix + "ffn_up_shexp.weight", TensorType.F16, [Hidden, SharedInner]),
                (prefix + "ffn_down_shexp.weight", TensorType.F16, [SharedInner, Hidden]),
            ]);
        }
        foreach ((string name, TensorType type, long[] shape) in tensors)
            writer.Declare(name, type, shape);
        foreach ((string name, TensorType type, long[] shape) in tensors)
        {
            float[] values = new float[shape.Aggregate(1L, (product, length) => product * length)];
            foreach (ref float value in values.AsSpan())
                value = (random.NextSingle() - 0.5f) * 4 / MathF.Sqrt(shape[0]) + (name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0);
            writer.Write(name, type == TensorType.F32
                ? MemoryMarshal.AsBytes<float>(values)
                : MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)));
        }
        writer.Finish();
    }
}
