using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

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

    /// <summary>Groups of 32 columns that are packed together: an assembled kernel's loop takes so many at a time.</summary>
    public abstract int UnitGroups { get; }

    /// <summary>Bytes of such a unit.</summary>
    public abstract int UnitBytes { get; }

    /// <summary>Writes machine code that loads what a unit's groups share.</summary>
    public abstract void AssembleUnit(ScaleAssembler c);

    /// <summary>Writes machine code that leaves a scale (or a minimum) of 16 rows, as a float, in a register.</summary>
    /// <param name="c">The code being written.</param>
    /// <param name="group">The group within its unit.</param>
    /// <param name="part">The part of the group.</param>
    /// <param name="isMin">Whether the minimum is wanted.</param>
    /// <param name="result">The register.</param>
    public abstract void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector256<float> Low, Vector256<float> High) BytesToSingles(Vector128<sbyte> bytes)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(bytes);
        (Vector256<int> a, _) = Vector256.Widen(Vector256.Create(low, low));
        (Vector256<int> b, _) = Vector256.Widen(Vector256.Create(high, high));
        return (Vector256.ConvertToSingle(a), Vector256.ConvertToSingle(b));
    }

    internal static ushort ToHalf(float scale, string name)
    {
        if (!float.IsFinite(scale))
            throw new InvalidDataException($"{name} has a scale of {scale}.");
        return BitConverter.HalfToUInt16Bits((Half)scale);
    }
}

/// <summary>A half for every block, and one for its minimum if it has one: [blocks, scale then minimum, 16 rows].</summary>
internal sealed unsafe class HalfScales(IntegerFormat format) : ScaleLayout(format)
{
    private readonly int perBlock = format.BlockSize / IntegerPanels.Group;

    private int BlockHalves => Height * (Format.HasMin ? 2 : 1);

    public override int UnitGroups => perBlock;

    public override int UnitBytes => BlockHalves * sizeof(ushort);

    public override int Bytes(int groups) => groups / perBlock * UnitBytes;

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        int groups = columns / Format.GroupSize;
        ushort* target = (ushort*)packed;
        for (int g = 0; g < groups; g += perBlock, target += BlockHalves)
        {
            for (int r = 0; r < rows; r++)
            {
                target[r] = ToHalf(scales[r * groups + g], name);
                if (Format.HasMin)
                    target[Height + r] = ToHalf(mins[r * groups + g], name);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        for (int g = 0; g < groups; g++, target += BlockHalves)
        {
            ushort* halves = (ushort*)packed + g / perBlock * BlockHalves;
            HalfBits.FiniteToSingles(halves, target);
            if (Format.HasMin)
                HalfBits.FiniteToSingles(halves + Height, target + Height);
        }
    }

    public override void AssembleUnit(ScaleAssembler c) => c.LoadHalves(at: 0, c.Shared);

    public override void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result)
    {
        if (isMin)
            c.LoadHalves(Height * sizeof(ushort), result);
        else
            c.Code.vmovaps(result, c.Shared);
    }
}

/// <summary>
/// A half for every 256 columns times a signed byte for every group of weights, and the same for minimums (which are subtracted):
/// [16 rows] halves, as many for minimums, [groups of weights, 16 rows] bytes, as many for minimums.
/// </summary>
internal sealed unsafe class SuperScales(IntegerFormat format, int scaleAt, int minAt = 0) : ScaleLayout(format)
{
    private int Kinds => Format.HasMin ? 2 : 1;

    private const int Groups = 256 / IntegerPanels.Group;

    public override int UnitGroups => Groups;

    public override int UnitBytes => Bytes(Groups);

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

    public override void AssembleUnit(ScaleAssembler c)
    {
        c.LoadHalves(at: 0, c.Shared);
        if (Format.HasMin)
            c.LoadHalves(Height * sizeof(ushort), c.SharedMin);
    }

    public override void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result)
    {
        int at = Height * (Kinds * sizeof(ushort) + (isMin ? Groups * Parts : 0) + group * Parts + part);
        c.Code.vpmovsxbd(result, __xmmword_ptr[c.Scales + at]);
        c.Code.vcvtdq2ps(result, result);
        c.Code.vmulps(result, result, isMin ? c.SharedMin : c.Shared);
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
    private const int Groups = 256 / IntegerPanels.Group;

    public override int UnitGroups => Groups;

    public override int UnitBytes => Bytes(Groups);

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

    public override void AssembleUnit(ScaleAssembler c)
    {
        c.LoadHalves(at: 0, c.Shared);
        c.LoadHalves(Height * sizeof(ushort), c.SharedMin);
    }

    public override void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result)
    {
        c.Code.vpmovzxbd(result, __xmmword_ptr[c.Scales + Height * (2 * sizeof(ushort) + group * Parts + part)]);
        if (isMin)
            c.Code.vpsrld(result, result, 4);
        else
            c.Code.vpandd(result, result, c.Constant(15));
        c.Code.vcvtdq2ps(result, result);
        c.Code.vmulps(result, result, isMin ? c.SharedMin : c.Shared);
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

    public override int UnitGroups => 1;

    public override int UnitBytes => Parts * Height;

    public override int Bytes(int groups) => groups * UnitBytes;

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

    // Byte b of MXFP4 stands for 2^(b - 128): but for the first two, which are subnormal, b - 1 is the exponent's bits.
    private bool IsExponent
    {
        get
        {
            for (int b = 0; b < 256; b++)
            {
                if (BitConverter.SingleToInt32Bits(values[b]) != (b < 2 ? SmallestExponent << b : b - 1 << 23))
                    return false;
            }
            return true;
        }
    }

    private const int SmallestExponent = 0x0020_0000; // the bits of 2^-128

    // NVFP4's are E4M3 without its sign, halved: once their exponent is that of halves (bias 15 in place of 7), halves times 2^7. The
    // largest, a NaN there, is 0.
    private bool IsE4M3
    {
        get
        {
            for (int b = 0; b < 256; b++)
            {
                if (values[b] != (b == NaN ? 0 : (float)BitConverter.UInt16BitsToHalf((ushort)((b & 0x7F) << 7)) * E4M3Factor))
                    return false;
            }
            return true;
        }
    }

    private const int NaN = 0x7F;

    /// <summary>What takes the halves that NVFP4's scales become to the scales.</summary>
    public const float E4M3Factor = 128;

    public override void AssembleUnit(ScaleAssembler c)
    {
        if (IsExponent)
            c.Code.vpbroadcastd(c.SharedMin, c.Single(SmallestExponent));
        else if (IsE4M3)
            c.Code.vpbroadcastd(c.SharedMin, c.Single(BitConverter.SingleToInt32Bits(E4M3Factor)));
    }

    public override void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result)
    {
        c.Code.vpmovzxbd(c.Shared, __xmmword_ptr[c.Scales + part * Height]);
        // Computed where they can be: gathering 16 floats takes longer than all else of a group.
        if (IsExponent)
        {
            c.Code.vpcmpud(k1, c.Shared, c.Constant(2), 1); // less than
            c.Code.vpsubd(result, c.Shared, c.Constant(1));
            c.Code.vpslld(result, result, 23);
            c.Code.vpsllvd(result.k1, c.SharedMin, c.Shared);
        }
        else if (IsE4M3)
            AssembleE4M3(c, result);
        else
            c.LookUp(values, c.Shared, result);
    }

    /// <summary>Makes NVFP4's scales of the bytes in the shared register, times what is in that of minimums.</summary>
    public static void AssembleE4M3(ScaleAssembler c, AssemblerRegisterZMM result)
    {
        AssemblerRegisterYMM halves = ymm28; // the lower part of c.Shared
        c.Code.vpcmpud(k1, c.Shared, c.Constant(NaN), 4); // not equal
        c.Code.vpslld(c.Shared, c.Shared, 7);
        c.Code.vpandd(c.Shared, c.Shared, c.Constant(NaN << 7));
        c.Code.vpmovdw(halves, c.Shared);
        c.Code.vcvtph2ps(result.k1.z, halves);
        c.Code.vmulps(result, result, c.SharedMin);
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
