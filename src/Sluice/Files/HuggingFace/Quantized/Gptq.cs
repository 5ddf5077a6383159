using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// GPTQ (Frantar et al. 2022) as AutoGPTQ and GPTQModel store it. For a map of n inputs to m outputs, in words of 32 bits that are
/// streams of codes, the lowest bits first:
/// <code>
/// qweight  I32  [n * bits / 32, m]       a stream down each column
/// qzeros   I32  [groups, m * bits / 32]  a stream along each row; less 1 in format gptq (0 is all ones then), as it is in gptq_v2
/// scales   F16  [groups, m]              or BF16, F32
/// g_idx    I32  [n]                      the group of each input; with desc_act (act-order) groups are not inputs side by side
/// </code>
/// <c>value = scale * (code - zero)</c>. Bits and groups are read off the shapes, so that maps may differ.
/// </summary>
internal sealed class Gptq : QuantizedLayout
{
    private readonly int _bits;
    private readonly int _zeroOffset;

    public Gptq(JsonFile config)
    {
        RefuseOthers(
            config, "quant_method", "bits", "group_size", "desc_act", "sym", "checkpoint_format", "format", "pack_dtype", "lm_head", "dynamic",
            // How it was made.
            "damp_percent", "damp_auto_increment", "static_groups", "true_sequential", "mse", "dataset", "tokenizer", "model_seqlen",
            "block_name_to_quantize", "module_name_preceding_first_block", "modules_in_block_to_quantize", "batch_size", "pad_token_id",
            "cache_block_outputs", "model_name_or_path", "model_file_base_name", "meta", "act_group_aware", "method", "group_aware",
            // How others run it.
            "exllama_config", "max_input_length", "use_exllama", "disable_exllama", "use_cuda_fp16", "use_triton", "is_marlin_format", "backend");
        _bits = config.Count("bits");
        if (_bits is not (2 or 3 or 4 or 8))
            throw config.Unsupported("bits", "GPTQ's checkpoints have 2, 3, 4 or 8");
        if (config.BoolOrNull("is_marlin_format") is true)
            throw config.Unsupported("is_marlin_format");
        if (config.TextOrNull("pack_dtype") is not (null or "int32"))
            throw config.Unsupported("pack_dtype", "it reads int32");
        string key = config.Has("checkpoint_format") ? "checkpoint_format" : "format";
        _zeroOffset = config.TextOrNull(key) switch
        {
            null or "gptq" => 1,
            "gptq_v2" => 0,
            _ => throw config.Unsupported(key, "it reads gptq and gptq_v2"),
        };
        // Where maps differ, only g_idx tells how many inputs a map has.
        HasOverrides = config.TryGet("dynamic", out JsonElement overrides) && overrides.ValueKind is JsonValueKind.Object;
    }

    private bool HasOverrides { get; }

    protected override IReadOnlyList<string> Suffixes { get; } = ["qweight", "qzeros", "scales", "g_idx"];

    protected override bool IsQuantized(QuantizedModule module) => module.Has("qweight") || module.Has("qzeros");

    protected override TensorInfo Read(QuantizedModule module)
    {
        TensorInfo weight = module.Take("qweight", TensorType.I32), zeros = module.Take("qzeros", TensorType.I32);
        TensorInfo scales = module.TakeFloats("scales");
        TensorInfo? index = module.TakeIfThere("g_idx", TensorType.I32);
        (int words, int rows) = module.Matrix("qweight", weight);
        long bitsOfColumn = words * 32L;
        int columns = HasOverrides && index is not null ? (int)index.Count : (int)(bitsOfColumn / _bits);
        int bits = (int)(bitsOfColumn / columns);
        if (bits is not (2 or 3 or 4 or 8) || columns * (long)bits != bitsOfColumn || columns % 32 != 0 || rows * bits % 32 != 0)
            throw module.Error("qweight", $"has shape [{words}, {rows}], which {bits} bits do not fill");
        (int groups, _) = module.Matrix("scales", scales);
        module.CheckShape("scales", scales, groups, rows);
        module.CheckShape("qzeros", zeros, groups, rows * bits / 32);
        if (index is not null)
            module.CheckShape("g_idx", index, columns);
        byte[] points = Zeros(zeros, groups, rows, bits);
        return new Matrix(module, rows, columns, bits, groups, weight, scales, zeros, _zeroOffset)
        {
            HasSingles = scales.Type != TensorType.F16,
            HasZero = points.AsSpan().ContainsAnyExcept((byte)(1 << (bits - 1))),
            ColumnGroups = index is null ? null : QuantizedModule.Integers(index).ToArray(),
        }.ToTensor();
    }

    private byte[] Zeros(TensorInfo zeros, int groups, int rows, int bits) => Matrix.Zeros(zeros, groups, rows, bits, _zeroOffset);

    private sealed class Matrix(
        QuantizedModule module, int rows, int columns, int bits, int groups, TensorInfo weight, TensorInfo scales, TensorInfo zeros,
        int zeroOffset) : GroupedMatrix(module, rows, columns, bits, groups)
    {
        /// <summary>The zero points [groups, rows].</summary>
        public static byte[] Zeros(TensorInfo zeros, int groups, int rows, int bits, int offset)
        {
            byte[] points = new byte[groups * rows];
            ReadStreams(QuantizedModule.Integers(zeros), bits, rows, groups, points);
            byte mask = (byte)((1 << bits) - 1);
            for (int i = 0; i < points.Length; i++)
                points[i] = (byte)((points[i] + offset) & mask);
            return points;
        }

        protected override (float[] Scales, byte[]? Zeros) ReadGroups()
        {
            float[] stored = QuantizedModule.Floats(scales), result = new float[stored.Length];
            byte[] points = Zeros(zeros, Groups, Rows, Bits, zeroOffset), byRow = new byte[points.Length];
            for (int g = 0; g < Groups; g++)
            {
                for (int r = 0; r < Rows; r++)
                    (result[r * Groups + g], byRow[r * Groups + g]) = (stored[g * Rows + r], points[g * Rows + r]);
            }
            return (result, byRow);
        }

        protected override void ReadCodes(int row, int count, Span<byte> codes)
        {
            ReadOnlySpan<int> words = QuantizedModule.Integers(weight);
            int perRow = Columns * Bits / 32;
            int[] streams = new int[count * perRow];
            for (int i = 0; i < perRow; i++)
            {
                ReadOnlySpan<int> line = words.Slice(i * Rows + row, count);
                for (int r = 0; r < count; r++)
                    streams[r * perRow + i] = line[r];
            }
            ReadStreams(streams, Bits, Columns, count, codes);
        }
    }
}
