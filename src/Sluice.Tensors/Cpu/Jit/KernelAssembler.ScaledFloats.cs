using System.Runtime.InteropServices;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

internal sealed partial class KernelAssembler
{
    private const int AtOnce = 32; // columns of a turn of the loop, which every block is a multiple of

    /// <summary>
    /// void (codes, activations, sums, columns, distance) of packed <see cref="ScaledFloats"/>, of one panel or of two, the second's codes that
    /// far behind. A level is looked up among 16 in a register, or made of a half with the code's bits; its product with the scale is the weight.
    /// </summary>
    /// <remarks>
    /// Sums are in the order of the columns, so that with one token each product waits for the one before: two panels at once halve that wait.
    /// </remarks>
    public void ScaledFloats(ScaledFloats format, int panels)
    {
        AssemblerRegister64 codes = rdi, activations = rsi, sums = rdx, columns = rcx, distance = r8, left = r9;
        AssemblerRegister64[] from = [codes, r10];
        AssemblerRegisterZMM[] scale = [zmm24, zmm25], pair = [zmm27, zmm28], value = [zmm29, zmm30];
        AssemblerRegisterZMM levels = zmm26;
        ScaleAssembler constants = new(c, codes);
        Enter(5);
        for (int i = 0; i < panels * tokens; i++)
            c.vmovups(Zmm[i], ScaledSum(sums, i, panels));
        if (panels == 2)
            c.lea(from[1], __[codes + distance]);
        if (format.Bits == 4)
            c.vmovups(levels, __zmmword_ptr[constants.Data(MemoryMarshal.AsBytes<float>(format.Levels).ToArray())]);
        Label block = c.CreateLabel(), loop = c.CreateLabel();
        c.Label(ref block);
        for (int p = 0; p < panels; p++)
        {
            Prefetch(from[p], 0, Vector);
            c.vmovups(scale[p], __zmmword_ptr[from[p]]);
            if (format.Unit != 1)
                c.vmulps(scale[p], scale[p], constants.Constant(BitConverter.SingleToInt32Bits(format.Unit)));
            c.add(from[p], Vector);
        }
        c.mov(left, format.BlockSize);
        c.Label(ref loop);
        int bytes = AtOnce * Panels.Height * format.Bits / 8;
        for (int p = 0; p < panels; p++)
            Prefetch(from[p], 0, bytes);
        for (int i = 0; i < AtOnce; i++)
        {
            for (int p = 0; p < panels; p++)
            {
                if (format.Bits == 8)
                    LoadFloat8(constants, value[p], __xmmword_ptr[from[p] + i * Panels.Height], isUpper: format.Unit == 1);
                else
                {
                    if (i % 2 == 0)
                        c.vpmovzxbd(pair[p], __xmmword_ptr[from[p] + i / 2 * Panels.Height]);
                    else
                        c.vpsrld(pair[p], pair[p], 4);
                    c.vpermps(value[p], pair[p], levels); // only the lowest 4 bits of an index count
                }
                c.vmulps(value[p], value[p], scale[p]);
            }
            for (int t = 0; t < tokens; t++)
            {
                for (int p = 0; p < panels; p++)
                    c.vfmadd231ps(Zmm[panels * t + p], value[p], __dword_bcst[activations + (i * tokens + t) * Dword]);
            }
        }
        for (int p = 0; p < panels; p++)
            c.add(from[p], bytes);
        c.add(activations, AtOnce * tokens * Dword);
        c.sub(left, AtOnce);
        c.jnz(loop);
        c.sub(columns, format.BlockSize);
        c.jnz(block);
        for (int i = 0; i < panels * tokens; i++)
            c.vmovups(ScaledSum(sums, i, panels), Zmm[i]);
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    private static AssemblerMemoryOperand ScaledSum(AssemblerRegister64 sums, int i, int panels) =>
        panels == 2 ? PairSum(sums, i) : __zmmword_ptr[sums + i * Vector];

    /// <summary>16 floats of 8 bits as the singles that halves with their bits are.</summary>
    private void LoadFloat8(ScaleAssembler constants, AssemblerRegisterZMM result, AssemblerMemoryOperand codes, bool isUpper)
    {
        AssemblerRegisterYMM halves = ymm31;
        c.evex.vpmovzxbw(halves, codes);
        c.evex.vpsllw(halves, halves, 8);
        if (!isUpper)
        {
            // An arithmetic shift doubles the sign bit: into the highest of the exponent, which the mask takes away.
            c.evex.vpsraw(halves, halves, 1);
            c.vpandd(halves, halves, constants.Constant(unchecked((int)0xBFFFBFFF)));
        }
        c.vcvtph2ps(result, halves);
    }
}
