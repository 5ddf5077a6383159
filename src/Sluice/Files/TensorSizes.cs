using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>How many bytes tensors take in files.</summary>
internal static class TensorSizes
{
    /// <summary>The number of elements of a shape.</summary>
    /// <exception cref="OverflowException">It does not fit in 63 bits.</exception>
    public static long Count(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
            count = checked(count * dimension);
        return count;
    }

    /// <summary>The bytes of a tensor; a row is a whole number of blocks.</summary>
    /// <exception cref="InvalidDataException">
    /// The shape is impossible: a dimension that is not positive, a size beyond 63 bits, a row that is not whole blocks.
    /// </exception>
    /// <exception cref="NotSupportedException">The type is unknown.</exception>
    public static long Bytes(string source, string name, TensorType type, ReadOnlySpan<long> shape)
    {
        (int blockSize, int blockBytes) = Block(source, name, type);
        foreach (long dimension in shape)
        {
            if (dimension <= 0)
                throw Error($"has the impossible dimension {dimension}");
        }
        long row = shape.Length == 0 ? 1 : shape[0];
        if (row % blockSize != 0)
            throw Error($"has rows of {row}, not a multiple of the {blockSize} weights of a {type} block");
        try
        {
            return checked(Count(shape) / blockSize * blockBytes);
        }
        catch (OverflowException)
        {
            throw Error($"is impossibly large ([{string.Join(", ", shape.ToArray())}])");
        }

        InvalidDataException Error(string problem) => new($"{source}: tensor '{name}' {problem}.");
    }

    private static (int Size, int Bytes) Block(string source, string name, TensorType type)
    {
        if (WeightFormats.Find(type) is { } format)
            return (format.BlockSize, format.BlockBytes);
        return type switch
        {
            TensorType.I8 or TensorType.U8 or TensorType.E4M3 or TensorType.E5M2 => (1, 1),
            TensorType.I16 => (1, 2),
            TensorType.I32 => (1, 4),
            TensorType.I64 or TensorType.F64 => (1, 8),
            _ => throw new NotSupportedException($"{source}: tensor '{name}' has type {(uint)type}, {Explain((uint)type)}."),
        };
    }

    // The numbers of ggml's ggml_type that files cannot have, or have only from other programs.
    private static string Explain(uint type) => type switch
    {
        4 or 5 => "which was removed from the format (Q4_2 and Q4_3)",
        31 or 32 or 33 or 37 or 38 => "a repacked Q4_0 or IQ4_NL that was removed from the format; use the plain type",
        36 => "which is I2_S of bitnet.cpp and ik_llama.cpp (or a repacked IQ4_NL, removed from the format)",
        (>= 97 and <= 99) or (>= 133 and <= 158) or (>= 202 and <= 399) =>
            "which only ik_llama.cpp has; use a file in a type of llama.cpp's",
        _ => "which Sluice does not know",
    };
}
