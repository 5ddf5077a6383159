using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// AWQ (Lin et al. 2023) as AutoAWQ's version GEMM stores it. For a map of n inputs to m outputs, in words of 8 codes of 4 bits each:
/// <code>
/// qweight  I32  [n, m / 8]       of outputs 8 j to 8 j + 7 the lowest bits first: 0, 2, 4, 6, 1, 3, 5, 7
/// qzeros   I32  [groups, m / 8]  the same
/// scales   F16  [groups, m]
/// </code>
/// <c>value = scale * (code - zero)</c>; a group is inputs side by side. <see cref="AwqRows"/> is its version GEMV.
/// </summary>
internal sealed class Awq : QuantizedLayout
{
    private const int PerWord = 8;
    private readonly int? _rowGroup; // in version GEMV, inputs of a group, or -1 for all

    public Awq(JsonFile config)
    {
        RefuseOthers(
            config, "quant_method", "bits", "w_bit", "group_size", "q_group_size", "zero_point", "version", "modules_to_not_convert",
            "backend", "do_fuse", "exllama_config", "fuse_max_seq_len", "modules_to_fuse", "lm_head", "sym", "desc_act", "checkpoint_format",
            "format", "meta", "pack_dtype", "method");
        string bits = config.Has("w_bit") ? "w_bit" : "bits";
        if (config.Count(bits) != 4)
            throw config.Unsupported(bits, "AWQ's checkpoints have 4");
        string version = config.TextOrNull("version")?.ToLowerInvariant() ?? "gemm";
        if (version is not ("gemm" or "gemv"))
            throw config.Unsupported("version", "it reads gemm and gemv");
        string group = config.Has("q_group_size") ? "q_group_size" : "group_size";
        if (version == "gemv")
            _rowGroup = config.WholeOrNull(group, least: -1) ?? throw config.Missing(group);
        if (config.BoolOrNull("desc_act") is true)
            throw config.Unsupported("desc_act");
    }

    /// <summary>The output of a word's eight that each 4 bits belong to, the lowest first.</summary>
    public static ReadOnlySpan<byte> Order => [0, 2, 4, 6, 1, 3, 5, 7];

    protected override IReadOnlyList<string> Suffixes { get; } = ["qweight", "qzeros", "scales"];

    protected override bool IsQuantized(QuantizedModule module) => module.Has("qweight") || module.Has("qzeros");

    protected override TensorInfo Read(QuantizedModule module)
    {
        if (_rowGroup is { } group)
            return AwqRows.Read(module, group);
        TensorInfo weight = module.Take("qweight", TensorType.I32), zeros = module.Take("qzeros", TensorType.I32);
        TensorInfo scales = module.TakeFloats("scales");
        (int columns, int words) = module.Matrix("qweight", weight);
        (int groups, _) = module.Matrix("scales", scales);
        int rows = checked(words * PerWord);
        module.CheckShape("scales", scales, groups, rows);
        module.CheckShape("qzeros", zeros, groups, words);
        return new Matrix(module, rows, columns, groups, weight, scales, zeros)
        {
            HasSingles = scales.Type != TensorType.F16,
            HasZero = QuantizedModule.Integers(zeros).ContainsAnyExcept(unchecked((int)0x88888888)),
        }.ToTensor();
    }

    private sealed class Matrix(
        QuantizedModule module, int rows, int columns, int groups, TensorInfo weight, TensorInfo scales, TensorInfo zeros)
        : GroupedMatrix(module, rows, columns, bits: 4, groups)
    {
        protected override (float[] Scales, byte[]? Zeros) ReadGroups()
        {
            float[] stored = QuantizedModule.Floats(scales), result = new float[stored.Length];
            byte[] points = new byte[stored.Length];
            Spread(QuantizedModule.Integers(zeros), 0, Rows, Groups, points);
            for (int g = 0; g < Groups; g++)
            {
                for (int r = 0; r < Rows; r++)
                    result[r * Groups + g] = stored[g * Rows + r];
            }
            return (result, points);
        }

        protected override void ReadCodes(int row, int count, Span<byte> codes) =>
            Spread(QuantizedModule.Integers(weight), row, count, Columns, codes);

        /// <summary>Codes of some outputs, from [lines, all outputs / 8] words to [outputs, lines].</summary>
        private void Spread(ReadOnlySpan<int> words, int row, int count, int lines, Span<byte> codes)
        {
            int perLine = Rows / PerWord;
            for (int line = 0; line < lines; line++)
            {
                for (int r = 0; r < count; r += PerWord)
                {
                    int word = words[line * perLine + (row + r) / PerWord];
                    for (int i = 0; i < PerWord; i++, word >>= 4)
                        codes[(r + Order[i]) * lines + line] = (byte)(word & 15);
                }
            }
        }
    }
}
