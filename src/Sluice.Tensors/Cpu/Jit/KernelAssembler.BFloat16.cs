using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <content>Kernels over the pairs of columns of <see cref="PackedBFloat16s"/>.</content>
internal sealed partial class KernelAssembler
{
    /// <summary>void (values, activations, sums, pairs) with the dot product instruction; activations are pairs too.</summary>
    public void BFloat16s()
    {
        AssemblerRegister64 values = rdi, activations = rsi, sums = rdx, pairs = rcx;
        Enter(4);
        LoadSums(sums);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        c.vmovups(zmm16, __zmmword_ptr[values]);
        c.prefetcht2(__byte_ptr[values + PrefetchDistance]);
        for (int t = 0; t < tokens; t++)
            c.vdpbf16ps(Zmm[t], zmm16, __dword_bcst[activations + t * Dword]);
        c.add(values, Vector);
        c.add(activations, tokens * Dword);
        c.dec(pairs);
        c.jnz(loop);
        StoreSums(sums);
        Leave();
    }

    /// <summary>
    /// void (values, activations, sums, pairs, distance) of two panels at once: two products share each activation that is loaded.
    /// The second panel is that many bytes behind the first, its sums at a fixed distance.
    /// </summary>
    public void BFloat16Pair()
    {
        AssemblerRegister64 values = rdi, activations = rsi, sums = rdx, pairs = rcx, distance = r8;
        Enter(5);
        for (int i = 0; i < 2 * tokens; i++)
            c.vmovups(Zmm[i], PairSum(sums, i));
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        c.vmovups(zmm16, __zmmword_ptr[values]);
        c.vmovups(zmm17, __zmmword_ptr[values + distance]);
        c.prefetcht2(__byte_ptr[values + PrefetchDistance]);
        c.prefetcht2(__byte_ptr[values + distance + PrefetchDistance]);
        for (int t = 0; t < tokens; t++)
        {
            c.vbroadcastss(Zmm[18 + t], __dword_ptr[activations + t * Dword]);
            c.vdpbf16ps(Zmm[2 * t], zmm16, Zmm[18 + t]);
            c.vdpbf16ps(Zmm[2 * t + 1], zmm17, Zmm[18 + t]);
        }
        c.add(values, Vector);
        c.add(activations, tokens * Dword);
        c.dec(pairs);
        c.jnz(loop);
        for (int i = 0; i < 2 * tokens; i++)
            c.vmovups(PairSum(sums, i), Zmm[i]);
        Leave();
    }

    /// <summary>
    /// void (values, activations, sums, columns) without that instruction: activations are floats, in each pair the odd column's
    /// before the even one's.
    /// </summary>
    public void WidenedBFloat16s()
    {
        AssemblerRegister64 values = rdi, activations = rsi, sums = rdx, columns = rcx;
        AssemblerRegisterZMM pair = zmm16, upper = zmm17, mask = zmm18;
        Enter(4);
        c.mov(eax, unchecked((int)0xFFFF0000));
        c.vpbroadcastd(mask, eax);
        LoadSums(sums);
        Label loop = c.CreateLabel(), last = c.CreateLabel(), end = c.CreateLabel();
        c.sub(columns, 2);
        c.jl(last);
        c.Label(ref loop);
        c.vmovdqu32(pair, __zmmword_ptr[values]);
        c.prefetcht2(__byte_ptr[values + PrefetchDistance]);
        c.vpandd(upper, pair, mask);
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Zmm[t], upper, __dword_bcst[activations + t * Dword]);
        c.vpslld(pair, pair, 16);
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Zmm[t], pair, __dword_bcst[activations + (tokens + t) * Dword]);
        c.add(values, Vector);
        c.add(activations, 2 * tokens * Dword);
        c.sub(columns, 2);
        c.jge(loop);
        c.Label(ref last);
        c.test(columns, 1); // -2, or -1 where one column is left
        c.jz(end);
        c.vmovdqu32(pair, __zmmword_ptr[values]);
        c.vpslld(pair, pair, 16);
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Zmm[t], pair, __dword_bcst[activations + t * Dword]);
        c.Label(ref end);
        StoreSums(sums);
        Leave();
    }
}
