using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// A matrix as AutoAWQ's version GEMV stores it. For a map of n inputs to m outputs, in words of 8 codes of 4 bits, the lowest bits first:
/// <code>
/// qweight  I32  [m, n / 8]
/// qzeros   I32  [m, w]      w is n / group_size / 8 rounded up, in groups of 64 inputs to an even number, of 32 to a multiple of 4
/// scales   F16  [m, 8 w]
/// </code>
/// What is beyond the groups is not used. <c>value = scale * (code - zero)</c>.
/// </summary>
internal sealed class AwqRows : GroupedMatrix
{
    private const int PerWord = 8;
    private readonly TensorInfo _weight, _scales, _zeros;

    private AwqRows(QuantizedModule module, int rows, int columns, int groups, TensorInfo weight, TensorInfo scales, TensorInfo zeros)
        : base(module, rows, columns, bits: 4, groups) => (_weight, _scales, _zeros) = (weight, scales, zeros);

    /// <summary>The tensor, whose bytes are made when they are asked for.</summary>
    /// <param name="module">The linear map.</param>
    /// <param name="groupSize">Inputs of a group; -1 for all.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, or its shape does not fit.</exception>
    public static TensorInfo Read(QuantizedModule module, int groupSize)
    {
        TensorInfo weight = module.Take("qweight", TensorType.I32), zeros = module.Take("qzeros", TensorType.I32), scales = module.TakeFloats("scales");
        (int rows, int words) = module.Matrix("qweight", weight);
        int columns = checked(words * PerWord), size = groupSize == -1 ? columns : groupSize;
        if (size == 0 || columns % size != 0)
            throw module.Error("qweight", $"has {columns} columns, which groups of {size} do not fill");
        int groups = columns / size, multiple = size switch { >= 128 => 1, >= 64 => 2, _ => 4 };
        int width = RoundUp(RoundUp(groups, PerWord) / PerWord, multiple);
        module.CheckShape("qzeros", zeros, rows, width);
        module.CheckShape("scales", scales, rows, width * PerWord);
        return new AwqRows(module, rows, columns, groups, weight, scales, zeros)
        {
            HasSingles = scales.Type != TensorType.F16,
            HasZero = Points(zeros, rows, groups).AsSpan().ContainsAnyExcept((byte)8),
        }.ToTensor();
    }

    protected override (float[] Scales, byte[]? Zeros) ReadGroups()
    {
        float[] stored = QuantizedModule.Floats(_scales), result = new float[Rows * Groups];
        int width = stored.Length / Rows;
        for (int r = 0; r < Rows; r++)
            stored.AsSpan(r * width, Groups).CopyTo(result.AsSpan(r * Groups));
        return (result, Points(_zeros, Rows, Groups));
    }

    protected override void ReadCodes(int row, int count, Span<byte> codes) =>
        ReadStreams(QuantizedModule.Integers(_weight).Slice(row * (Columns / PerWord), count * (Columns / PerWord)), Bits, Columns, count, codes);

    /// <summary>The zero points [rows, groups].</summary>
    private static byte[] Points(TensorInfo zeros, int rows, int groups)
    {
        int width = (int)zeros.Shape[0] * PerWord;
        byte[] all = new byte[rows * width], points = new byte[rows * groups];
        ReadStreams(QuantizedModule.Integers(zeros), 4, width, rows, all);
        for (int r = 0; r < rows; r++)
            all.AsSpan(r * width, groups).CopyTo(points.AsSpan(r * groups));
        return points;
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;
}
