using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Writes the part of a kernel that turns a quad's codes, bytes 4 r + i for row r and column i, into two vectors of pairs of bfloat16, that of
/// the first two columns and that of the others. Up to
/// 64 different codes are looked up in a table of words; more are made floats, which are exact and so end in 16 zero bits.
/// </summary>
/// <param name="constants">The kernel.</param>
/// <param name="codes">How many codes there are.</param>
/// <param name="value">What each stands for; where there are more than 64, the code less a constant.</param>
internal sealed class PairAssembler(ScaleAssembler constants, int codes, Func<int, float> value)
{
    private const int Vector = 64;
    private const int Exponent = 0x4B000000; // the bits of 2^23, to which an integer is added by or

    private readonly Assembler c = constants.Code;

    /// <summary>Loads what stays in registers: of a table 20 to 23, else 26 and 31.</summary>
    public void Start()
    {
        if (codes > 64)
        {
            LoadMerge(constants);
            c.vpbroadcastd(zmm31, constants.Single(255));
            return;
        }
        c.vmovdqu32(zmm20, Words(i => Bits(value(Math.Min(i, codes - 1)))));
        if (codes > 32)
            c.vmovdqu32(zmm21, Words(i => Bits(value(Math.Min(32 + i, codes - 1)))));
        c.vmovdqu32(zmm22, Spread(constants, 0));
        c.vmovdqu32(zmm23, Spread(constants, 1));
    }

    /// <summary>Leaves the pairs of the codes in registers 16 and 17; 18 and 19 are overwritten too.</summary>
    public void Convert(AssemblerRegisterZMM code)
    {
        if (codes > 64)
        {
            ConvertFloats(code);
            return;
        }
        c.vpshufb(zmm16, code, zmm22);
        c.vpshufb(zmm17, code, zmm23);
        foreach (AssemblerRegisterZMM pair in (AssemblerRegisterZMM[])[zmm16, zmm17])
        {
            if (codes > 32)
                c.vpermi2w(pair, zmm20, zmm21);
            else
                c.vpermw(pair, pair, zmm20);
        }
    }

    /// <summary>Loads register 26, with which VPERMT2W takes the upper halves of two vectors' dwords, as pairs.</summary>
    public static void LoadMerge(ScaleAssembler constants) =>
        constants.Code.vmovdqu32(zmm26, Words(constants, i => (ushort)(i % 2 * 32 + (i | 1))));

    /// <summary>Words of a table of what 4 bits stand for, of which a look-up may read a fifth.</summary>
    public static AssemblerMemoryOperand Table(ScaleAssembler constants, ReadOnlySpan<int> nibbles)
    {
        int[] of = nibbles.ToArray();
        return Words(constants, i => (ushort)of[i % 16]);
    }

    /// <summary>VPSHUFB's control that takes two bytes of each dword to the low bytes of its words, of which alone a look-up reads.</summary>
    public static AssemblerMemoryOperand Spread(ScaleAssembler constants, int pair) =>
        Words(constants, i => (ushort)(i % 8 / 2 * 4 + 2 * pair + i % 2));

    /// <summary>The bfloat16 that a number is.</summary>
    public static ushort Bits(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);

    /// <summary>A vector of words.</summary>
    public static AssemblerMemoryOperand Words(ScaleAssembler constants, Func<int, ushort> word)
    {
        ushort[] words = [.. Enumerable.Range(0, Vector / sizeof(ushort)).Select(word)];
        return __zmmword_ptr[constants.Data(MemoryMarshal.AsBytes<ushort>(words).ToArray())];
    }

    private void ConvertFloats(AssemblerRegisterZMM code)
    {
        ReadOnlySpan<AssemblerRegisterZMM> columns = [zmm16, zmm18, zmm17, zmm19];
        for (int i = 0; i < columns.Length; i++)
        {
            if (i == 0)
                c.vmovdqa32(columns[i], code);
            else
                c.vpsrld(columns[i], code, (byte)(8 * i));
            c.vpternlogd(columns[i], zmm31, constants.Constant(Exponent), 0xEA); // (column & mask) | exponent
        }
        float zero = BitConverter.Int32BitsToSingle(Exponent) - value(0);
        foreach (AssemblerRegisterZMM column in columns)
            c.vsubps(column, column, constants.Constant(BitConverter.SingleToInt32Bits(zero)));
        c.vpermt2w(zmm16, zmm26, zmm18);
        c.vpermt2w(zmm17, zmm26, zmm19);
    }

    private AssemblerMemoryOperand Words(Func<int, ushort> word) => Words(constants, word);
}
