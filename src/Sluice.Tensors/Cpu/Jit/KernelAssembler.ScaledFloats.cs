using System.Runtime.InteropServices;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

internal sealed partial class KernelAssembler
{
    private const int AtOnce = 32; // columns of a turn of the loop, which every block is a multiple of

    /// <summary>
    /// void (codes, activations, sums, columns) of packed <see cref="ScaledFloats"/>. A level is looked up among 16 in a register, or
    /// made of a half with the code's bits; its product with the scale is the weight.
    /// </summary>
    public void ScaledFloats(ScaledFloats format)
    {
        AssemblerRegister64 codes = rdi, activations = rsi, sums = rdx, columns = rcx, left = r8;
        AssemblerRegisterZMM scale = zmm24, levels = zmm25, value = zmm26, pair = zmm27;
        ScaleAssembler constants = new(c, codes);
        Enter(4);
        LoadSums(sums);
        if (format.Bits == 4)
            c.vmovups(levels, __zmmword_ptr[constants.Data(MemoryMarshal.AsBytes<float>(format.Levels).ToArray())]);
        Label block = c.CreateLabel(), loop = c.CreateLabel();
        c.Label(ref block);
        c.vmovups(scale, __zmmword_ptr[codes]);
        if (format.Unit != 1)
            c.vmulps(scale, scale, constants.Constant(BitConverter.SingleToInt32Bits(format.Unit)));
        c.add(codes, Vector);
        c.mov(left, format.BlockSize);
        c.Label(ref loop);
        int bytes = AtOnce * Panels.Height * format.Bits / 8;
        for (int line = 0; line < bytes; line += Vector)
            c.prefetcht0(__byte_ptr[codes + line + PrefetchDistance]);
        for (int i = 0; i < AtOnce; i++)
        {
            if (format.Bits == 8)
                LoadFloat8(constants, value, __xmmword_ptr[codes + i * Panels.Height], isUpper: format.Unit == 1);
            else if (i % 2 == 0)
            {
                c.vpmovzxbd(pair, __xmmword_ptr[codes + i / 2 * Panels.Height]);
                c.vpermps(value, pair, levels); // only the lowest 4 bits of an index count
            }
            else
            {
                c.vpsrld(pair, pair, 4);
                c.vpermps(value, pair, levels);
            }
            c.vmulps(value, value, scale);
            for (int t = 0; t < tokens; t++)
                c.vfmadd231ps(Sum(t), value, __dword_bcst[activations + (i * tokens + t) * Dword]);
        }
        c.add(codes, bytes);
        c.add(activations, AtOnce * tokens * Dword);
        c.sub(left, AtOnce);
        c.jnz(loop);
        c.sub(columns, format.BlockSize);
        c.jnz(block);
        StoreSums(sums);
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    /// <summary>16 floats of 8 bits as the singles that halves with their bits are.</summary>
    private void LoadFloat8(ScaleAssembler constants, AssemblerRegisterZMM result, AssemblerMemoryOperand codes, bool isUpper)
    {
        c.vpmovzxbw(ymm8, codes);
        c.vpsllw(ymm8, ymm8, 8);
        if (!isUpper)
        {
            // An arithmetic shift doubles the sign bit: into the highest of the exponent, which the mask takes away.
            c.vpsraw(ymm8, ymm8, 1);
            c.vpandd(ymm8, ymm8, constants.Constant(unchecked((int)0xBFFFBFFF)));
        }
        c.vcvtph2ps(result, ymm8);
    }
}
