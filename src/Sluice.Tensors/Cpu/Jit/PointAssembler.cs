using System.Numerics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Writes the part of a kernel that turns indices into codes, in registers. A point's codes take few levels, so that their numbers
/// are 16 bits: 2 of each of 8 codes, 4 of each of 4. With the low bytes of all points in one table and the high bytes in
/// another, VPERMI2B looks 64 points (4 of each of 16 rows) up in 128 places at once, and masks of the index's upper bits choose
/// between these. Merged, a dword holds two points of a row; VPMULTISHIFTQB moves the numbers of 4 codes to the low bits of 4
/// bytes, and VPERMB, which ignores the other bits when the levels are repeated, makes them codes.
/// </summary>
internal sealed class PointAssembler(ScaleAssembler constants, PointFormat format)
{
    private const int Vector = 64, Height = Panels.Height;

    // Points that are looked up at once, of each row; a group of 32 columns has 4 or 8.
    private const int AtOnce = 4;

    private readonly Assembler c = constants.Code;
    private readonly byte[] levels = Levels(format);
    private readonly int highBits = BitOperations.Log2((uint)format.Points.Count) - 8;

    /// <summary>CPUID leaf 7, ECX bit 1: AVX512_VBMI.</summary>
    public static bool IsSupported { get; } =
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Ecx & (1 << 1)) != 0;

    /// <summary>Whether a format's points are such: no more than 4 levels in 8 codes, or 16 in 4.</summary>
    public static bool FitsLevels(PointFormat format) => IsSupported && Levels(format).Length <= 1 << BitsOf(format);

    /// <summary>Whether the book is small enough to be looked up here; else <see cref="PointLoader"/> does it.</summary>
    public static bool Can(PointFormat format) => FitsLevels(format) && format.Points.Count is >= 256 and <= 1024
        && (format.Points.Width == 8 || format.GroupSize == IntegerPanels.Group);

    /// <summary>The 16 bits of each point; of shifted ones, only those of the points that are shifted up.</summary>
    public ushort[] Book()
    {
        ushort[] book = new ushort[format.SearchedPoints.Count];
        for (int i = 0; i < book.Length; i++)
            book[i] = (ushort)(Packed(i, 0) | Packed(i, 1) << 8);
        return book;
    }

    /// <summary>Whether a quad is the first of those that <see cref="LookUp"/> makes ready.</summary>
    public bool IsFirst(int quad) => quad % (AtOnce * format.Points.Width / 4) == 0;

    /// <summary>Looks the points of 4 or 8 quads up. Registers 16 to 23 are overwritten; the result is in 27 and 29.</summary>
    /// <param name="unit">The unit of 256 columns.</param>
    /// <param name="highAt">Where the indices' upper bits are in it.</param>
    /// <param name="point">The first point within the unit.</param>
    public void LookUp(AssemblerRegister64 unit, int highAt, int point)
    {
        c.vmovdqu32(zmm23, __zmmword_ptr[unit + point * Height]);
        c.vpmovb2m(k1, zmm23);
        if (highBits > 0)
            c.vbroadcasti32x4(zmm16, __xmmword_ptr[unit + highAt + point * highBits / 8 * Height]);
        for (int bit = 0; bit < highBits; bit++)
        {
            int from = point * highBits % 8 + bit;
            c.vptestmb(Masks[1 + bit], zmm16, constants.Vector(Bytes(i => 1 << (from + i / Height * highBits))));
        }
        Choose(0, 0, format.Points.Count / 128, 0);
        Choose(1, 0, format.Points.Count / 128, 1);
        AssemblerRegisterZMM[] merged = [zmm27, zmm29];
        for (int m = 0; m < 2; m++)
        {
            int two = 2 * m;
            c.vmovdqu32(merged[m], constants.Vector(Bytes(i => i % 2 * Vector + (two + i % 4 / 2) * Height + i / 4)));
            c.vpermi2b(merged[m], zmm16, zmm17);
        }
    }

    /// <summary>Leaves a quad's codes in register 25, with the group's signs, if there are any, in 30.</summary>
    public void Quad(int quad)
    {
        LevelNumbers(quad);
        c.vpermb(Code, Code, constants.Vector(Bytes(LevelOf), zmm16));
        if (!format.HasSigns)
            return;
        c.vptestmb(k1, zmm30, constants.Vector(SignBit(quad), zmm16));
        c.vpsubb(Code.k1, zmm24, Code); // an integer q is q + offset: its negative's is 2 offset - code
    }

    /// <summary>Shifts the codes in register 25 down where a quad's point, which was looked up as if shifted up, is not.</summary>
    /// <param name="unit">The unit of 256 columns.</param>
    /// <param name="highAt">Where the indices' upper 4 bits are in it, of which the highest says so.</param>
    /// <param name="quad">The quad within the unit. Register 20 and mask 2 are kept from a point's first to its second.</param>
    public void Shift(AssemblerRegister64 unit, int highAt, int quad)
    {
        int point = quad / 2;
        if (quad % 2 == 0)
        {
            c.vpmovzxbd(zmm20, __xmmword_ptr[unit + highAt + point / 2 * Height]);
            c.vptestmd(k2, zmm20, constants.Constant(8 << point % 2 * 4));
        }
        c.vpsubd(Code.k2, Code, constants.Constant(0x02020202)); // no byte of a point shifted up is less than 2
    }

    /// <summary>Leaves a quad's two pairs of bfloat16 in registers 16 and 17. A fifth bit of a level's number is the sign.</summary>
    public void Pairs(int quad)
    {
        LevelNumbers(quad);
        if (format.HasSigns)
        {
            if (quad < 4)
                c.vpsllw(zmm16, zmm30, (byte)(4 - quad));
            else
                c.vpsrlw(zmm16, zmm30, (byte)(quad - 4));
            c.vpternlogd(Code, zmm16, constants.Constant(0x10101010), 0xD8); // where the mask is set the second, else the first
        }
        c.vpshufb(zmm16, Code, zmm26);
        c.vpshufb(zmm17, Code, zmm31);
        c.vpermw(zmm16, zmm16, zmm24);
        c.vpermw(zmm17, zmm17, zmm24);
    }

    /// <summary>Loads what stays in registers for <see cref="Pairs"/>: 24, 26 and 31.</summary>
    public void StartPairs()
    {
        c.vmovdqu32(zmm24, PairAssembler.Words(constants, i =>
        {
            float value = LevelOf(i) + format.Lowest;
            return PairAssembler.Bits(format.HasSigns && i >= 16 ? -value : value);
        }));
        c.vmovdqu32(zmm26, PairAssembler.Spread(constants, 0));
        c.vmovdqu32(zmm31, PairAssembler.Spread(constants, 1));
    }

    private static AssemblerRegisterZMM Code => zmm25;

    // The numbers of the levels of a quad's codes, in the low bits of each byte.
    private void LevelNumbers(int quad)
    {
        int perRegister = format.Points.Width / 2;
        AssemblerRegisterZMM merged = quad / perRegister % 2 == 0 ? zmm27 : zmm29;
        c.vpmultishiftqb(Code, constants.Vector(Spread(quad % perRegister), Code), merged);
    }

    // The level of a number with other bits above it.
    private int LevelOf(int number) => levels[number % (1 << BitsOf(format)) % levels.Length];

    /// <summary>Loads what stays in registers for <see cref="Quad"/>: in 24, and what is used most in those that are free.</summary>
    /// <remarks>With few tokens, loads of vectors are the limit, of which there is one a cycle (Zen 4).</remarks>
    public void Start(IEnumerable<AssemblerRegisterZMM> free)
    {
        c.vmovdqu32(zmm24, constants.Vector(Bytes(_ => -2 * format.Lowest)));
        List<byte[]> wanted = [Bytes(LevelOf)];
        for (int quad = 0; quad < format.Points.Width / 2; quad++)
            wanted.Add(Spread(quad));
        for (int quad = 0; quad < 8 && format.HasSigns; quad++)
            wanted.Add(SignBit(quad));
        foreach ((byte[] bytes, AssemblerRegisterZMM register) in wanted.Zip(free))
            constants.Keep(bytes, register);
    }

    // A qword is two rows: 32 bits each.
    private byte[] Spread(int quad)
    {
        int bits = BitsOf(format);
        return Bytes(i => i % 8 / 4 * 32 + (quad * 4 + i % 4) * bits);
    }

    private static byte[] SignBit(int quad) => Bytes(_ => 1 << quad);

    private static AssemblerRegisterK[] Masks => [k1, k2, k3];

    private static AssemblerRegisterZMM[] Temporaries => [zmm16, zmm17, zmm18, zmm19, zmm20];

    private static int BitsOf(PointFormat format) => 16 / format.Points.Width;

    // Of shifted points the lower half of the book, those shifted up, has all levels that there are before the shift.
    private static byte[] Levels(PointFormat format) =>
        [.. format.Codes.Take(format.SearchedPoints.Count * format.Points.Width).Distinct().Order()];

    // A binary tree over the index's bits from 7 on; its results lie in registers from 16 on.
    private void Choose(int plane, int first, int count, int depth)
    {
        AssemblerRegisterZMM result = Temporaries[depth];
        if (count == 1)
        {
            c.vmovdqu32(zmm22, Table(plane, 2 * first));
            c.vmovdqa32(result, zmm23);
            c.vpermi2b(result, zmm22, Table(plane, 2 * first + 1));
            return;
        }
        Choose(plane, first, count / 2, depth);
        Choose(plane, first + count / 2, count / 2, depth + 1);
        AssemblerRegisterZMM other = Temporaries[depth + 1];
        switch (count)
        {
            case 2:
                c.vmovdqu8(result.k1, other);
                break;
            case 4:
                c.vmovdqu8(result.k2, other);
                break;
            default:
                c.vmovdqu8(result.k3, other);
                break;
        }
    }

    // A byte of the level numbers of a point.
    private byte Packed(int point, int plane)
    {
        int bits = BitsOf(format), width = format.Points.Width, all = 0;
        for (int i = 0; i < width; i++)
            all |= Array.IndexOf(levels, format.Codes[point * width + i]) << (i * bits);
        return (byte)(all >> (8 * plane));
    }

    private AssemblerMemoryOperand Table(int plane, int number) => constants.Vector(Bytes(i => Packed(number * Vector + i, plane)));

    private static byte[] Bytes(Func<int, int> make) => [.. Enumerable.Range(0, Vector).Select(i => (byte)make(i))];
}
