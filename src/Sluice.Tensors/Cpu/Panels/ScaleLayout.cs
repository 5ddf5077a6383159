using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// How the scales and minimums of a stretch of columns of a panel are stored, and how they become floats. What is stored gives
/// the very floats that the format's own decomposition does.
/// </summary>
internal abstract unsafe class ScaleLayout(IntegerFormat format)
{
    protected const int Height = Panels.Height;

    protected IntegerFormat Format => format;

    /// <summary>Groups of weights in 32 columns.</summary>
    protected int Parts { get; } = IntegerPanels.Group / format.GroupSize;

    /// <summary>Bytes for that many groups of 32 columns.</summary>
    public abstract int Bytes(int groups);

    /// <summary>Packs a stretch.</summary>
    /// <param name="blocks">The first row's blocks.</param>
    /// <param name="rowBytes">Bytes from a row to the next.</param>
    /// <param name="rows">Rows that there are.</param>
    /// <param name="columns">Columns of the stretch.</param>
    /// <param name="scales">The scales of each row [rows, columns / GroupSize].</param>
    /// <param name="mins">Its minimums, if the format has them.</param>
    /// <param name="packed">Zeroed; written.</param>
    /// <param name="name">The tensor's name, for messages.</param>
    /// <exception cref="InvalidDataException">A scale is not a finite number.</exception>
    public abstract void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name);

    /// <summary>Unpacks groups of 32 columns to [groups, scales then minimums of a group, 16 rows].</summary>
    public abstract void Unpack(byte* packed, int groups, float* target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static (Vector256<float> Low, Vector256<float> High) BytesToSingles(Vector128<sbyte> bytes)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(bytes);
        (Vector256<int> a, _) = Vector256.Widen(Vector256.Create(low, low));
        (Vector256<int> b, _) = Vector256.Widen(Vector256.Create(high, high));
        return (Vector256.ConvertToSingle(a), Vector256.ConvertToSingle(b));
    }

    protected static ushort ToHalf(float scale, string name)
    {
        if (!float.IsFinite(scale))
            throw new InvalidDataException($"{name} has a scale of {scale}.");
        return BitConverter.HalfToUInt16Bits((Half)scale);
    }
}

/// <summary>A half for every block, and one for its minimum: [scales, 16 rows], then [minimums, 16 rows].</summary>
internal sealed unsafe class HalfScales(IntegerFormat format) : ScaleLayout(format)
{
    public override int Bytes(int groups) =>
        Math.Max(1, groups * IntegerPanels.Group / Format.BlockSize) * Height * sizeof(ushort) * (Format.HasMin ? 2 : 1);

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        int perBlock = Format.BlockSize / Format.GroupSize, groups = columns / Format.GroupSize, count = columns / Format.BlockSize;
        ushort* target = (ushort*)packed;
        for (int b = 0; b < count; b++)
        {
            for (int r = 0; r < rows; r++)
            {
                target[b * Height + r] = ToHalf(scales[r * groups + b * perBlock], name);
                if (Format.HasMin)
                    target[(count + b) * Height + r] = ToHalf(mins[r * groups + b * perBlock], name);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        int perBlock = Format.BlockSize / IntegerPanels.Group, count = Math.Max(1, groups / perBlock);
        ushort* halves = (ushort*)packed;
        for (int g = 0; g < groups; g++)
        {
            HalfBits.FiniteToSingles(halves + g / perBlock * Height, target);
            target += Height;
            if (!Format.HasMin)
                continue;
            HalfBits.FiniteToSingles(halves + (count + g / perBlock) * Height, target);
            target += Height;
        }
    }
}

/// <summary>
/// A half for every 256 columns times a signed byte for every group of weights, and the same for minimums (which are subtracted):
/// [16 rows] halves, as many for minimums, [groups of weights, 16 rows] bytes, as many for minimums.
/// </summary>
internal sealed unsafe class SuperScales(IntegerFormat format, int scaleAt, int minAt = 0) : ScaleLayout(format)
{
    private int Kinds => Format.HasMin ? 2 : 1;

    public override int Bytes(int groups) => Kinds * Height * (sizeof(ushort) + groups * Parts);

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        int groups = columns / Format.GroupSize;
        ushort* halves = (ushort*)packed;
        sbyte* bytes = (sbyte*)(packed + Kinds * Height * sizeof(ushort));
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<byte> block = new(blocks + r * rowBytes, Format.BlockBytes);
            float d = Fields.Half(block, scaleAt);
            halves[r] = ToHalf(d, name);
            for (int g = 0; g < groups; g++)
                bytes[g * Height + r] = Factor(scales[r * groups + g], d);
            if (!Format.HasMin)
                continue;
            float dmin = Fields.Half(block, minAt);
            halves[Height + r] = ToHalf(-dmin, name);
            for (int g = 0; g < groups; g++)
                bytes[(groups + g) * Height + r] = Factor(mins[r * groups + g], -dmin);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        float* factors = stackalloc float[2 * Height];
        for (int kind = 0; kind < Kinds; kind++)
            HalfBits.FiniteToSingles((ushort*)packed + kind * Height, factors + kind * Height);
        sbyte* bytes = (sbyte*)(packed + Kinds * Height * sizeof(ushort));
        for (int kind = 0; kind < Kinds; kind++)
        {
            Vector256<float> low = Vector256.Load(factors + kind * Height), high = Vector256.Load(factors + kind * Height + 8);
            float* to = target + kind * Parts * Height;
            for (int g = 0; g < groups; g++, to += Kinds * Parts * Height)
            {
                for (int part = 0; part < Parts; part++, bytes += Height)
                {
                    (Vector256<float> a, Vector256<float> b) = BytesToSingles(Vector128.Load(bytes));
                    (a * low).Store(to + part * Height);
                    (b * high).Store(to + part * Height + 8);
                }
            }
        }
    }

    // The product of a half and such a number is an exact single, so its quotient is that number again.
    private static sbyte Factor(float product, float factor) => factor == 0 ? (sbyte)0 : (sbyte)(product / factor);
}

/// <summary>
/// As <see cref="SuperScales"/>, with 4 bits each of scale and minimum in a byte: [16 rows] halves of scales, then of minimums,
/// [groups of weights, 16 rows] bytes | minimum | scale |.
/// </summary>
internal sealed unsafe class NibbleScales(IntegerFormat format, int scaleAt, int minAt) : ScaleLayout(format)
{
    public override int Bytes(int groups) => Height * (2 * sizeof(ushort) + groups * Parts);

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        int groups = columns / Format.GroupSize;
        ushort* halves = (ushort*)packed;
        byte* bytes = packed + 2 * Height * sizeof(ushort);
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<byte> block = new(blocks + r * rowBytes, Format.BlockBytes);
            float d = Fields.Half(block, scaleAt), dmin = Fields.Half(block, minAt);
            halves[r] = ToHalf(d, name);
            halves[Height + r] = ToHalf(-dmin, name);
            for (int g = 0; g < groups; g++)
            {
                int scale = d == 0 ? 0 : (int)(scales[r * groups + g] / d), min = dmin == 0 ? 0 : (int)(mins[r * groups + g] / -dmin);
                bytes[g * Height + r] = (byte)(scale | (min << 4));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        float* factors = stackalloc float[2 * Height];
        HalfBits.FiniteToSingles((ushort*)packed, factors);
        HalfBits.FiniteToSingles((ushort*)packed + Height, factors + Height);
        byte* bytes = packed + 2 * Height * sizeof(ushort);
        for (int g = 0; g < groups; g++, target += 2 * Parts * Height)
        {
            for (int part = 0; part < Parts; part++, bytes += Height)
            {
                Vector128<byte> both = Vector128.Load(bytes);
                Store((both & Vector128.Create((byte)15)).AsSByte(), factors, target + part * Height);
                Store((both >>> 4).AsSByte(), factors + Height, target + (Parts + part) * Height);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<sbyte> bytes, float* factors, float* target)
    {
        (Vector256<float> low, Vector256<float> high) = BytesToSingles(bytes);
        (low * Vector256.Load(factors)).Store(target);
        (high * Vector256.Load(factors + 8)).Store(target + 8);
    }
}

/// <summary>A byte for every group of weights, the first bytes of its block, that stands for one of 256 scales.</summary>
internal sealed unsafe class ByteScales(IntegerFormat format) : ScaleLayout(format)
{
    private readonly float[] values = Values(format);

    public override int Bytes(int groups) => groups * Parts * Height;

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        int perBlock = Format.BlockSize / Format.GroupSize, groups = columns / Format.GroupSize;
        for (int g = 0; g < groups; g++)
        {
            for (int r = 0; r < rows; r++)
                packed[g * Height + r] = blocks[r * rowBytes + g / perBlock * Format.BlockBytes + g % perBlock];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        fixed (float* table = values)
        {
            for (int i = 0; i < groups * Parts * Height; i++)
                target[i] = table[packed[i]];
        }
    }

    /// <summary>What each byte stands for, found by decomposing a block.</summary>
    private static float[] Values(IntegerFormat format)
    {
        Span<byte> block = stackalloc byte[format.BlockBytes];
        Span<sbyte> quants = stackalloc sbyte[format.BlockSize];
        Span<float> scales = stackalloc float[format.BlockSize / format.GroupSize];
        float[] values = new float[256];
        for (int b = 0; b < 256; b++)
        {
            block[0] = (byte)b;
            format.Decompose(block, quants, scales, []);
            values[b] = scales[0];
        }
        return values;
    }
}
