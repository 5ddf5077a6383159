using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>The products of attention (<see cref="RowProducts"/>), for as many rows as this assembles tokens.</summary>
internal sealed partial class KernelAssembler
{
    /// <summary>
    /// void (<see cref="ProductArguments"/>*): two vectors of columns at a time, of the last ones only those that there are. Halves are
    /// converted on their way from memory, beside the products.
    /// </summary>
    public void Products(TensorType cell)
    {
        AssemblerRegister64 given = rdi, a = rsi, fifth = rdx, stride = rcx, three = r8, b = r9, bStride = r10, count = r11, ahead = rax, step = rbx, row = r12,
            cStride = r13;
        AssemblerMemoryOperand Argument(string name) => Field<ProductArguments>(given, name);
        int pairBytes = 2 * (cell == TensorType.F32 ? Vector : Vector / 2);
        Enter(1);
        c.push(rbx);
        c.push(r12);
        c.push(r13);
        c.mov(stride, Argument(nameof(ProductArguments.AStride)));
        c.lea(three, __[stride + stride * 2]);
        c.mov(bStride, Argument(nameof(ProductArguments.BStride)));
        c.mov(cStride, Argument(nameof(ProductArguments.CStride)));
        c.mov(ahead, Argument(nameof(ProductArguments.Ahead)));
        c.mov(step, Argument(nameof(ProductArguments.Step)));
        Label pair = c.CreateLabel(), rest = c.CreateLabel(), end = c.CreateLabel();
        c.cmp(Argument(nameof(ProductArguments.Pairs)), 0);
        c.je(rest);
        c.Label(ref pair);
        Columns(isMasked: false);
        c.add(Argument(nameof(ProductArguments.B)), pairBytes);
        c.add(Argument(nameof(ProductArguments.C)), 2 * Vector);
        c.dec(Argument(nameof(ProductArguments.Pairs)));
        c.jnz(pair);
        c.Label(ref rest);
        c.mov(count, Argument(nameof(ProductArguments.Rest)));
        c.test(count, count);
        c.je(end);
        c.kmovd(k1, r11d);
        c.shr(count, 16);
        c.kmovd(k2, r11d);
        Columns(isMasked: true);
        c.Label(ref end);
        c.pop(r13);
        c.pop(r12);
        c.pop(rbx);
        Leave();

        void Columns(bool isMasked)
        {
            AssemblerRegisterZMM[] tile = [zmm30, zmm31];
            Label clear = c.CreateLabel(), loop = c.CreateLabel();
            c.mov(row, Argument(nameof(ProductArguments.C)));
            c.mov(b, Argument(nameof(ProductArguments.Factors)));
            foreach (AssemblerRegisterZMM sum in Zmm.AsSpan(0, 2 * tokens))
                c.vpxord(sum, sum, sum);
            c.test(b, b);
            c.je(clear);
            for (int i = 0; i < 2 * tokens; i++)
            {
                c.vmovups(Masked(tile[0], i, isMasked), __zmmword_ptr[row + i % 2 * Vector]);
                c.vmulps(Zmm[i], tile[0], __dword_bcst[b + i / 2 * Dword]);
                if (i % 2 == 1)
                    c.add(row, cStride);
            }
            c.mov(row, Argument(nameof(ProductArguments.C)));
            c.Label(ref clear);
            c.mov(a, Argument(nameof(ProductArguments.A)));
            c.lea(fifth, __[stride + stride * 4]);
            c.add(fifth, a);
            c.mov(b, Argument(nameof(ProductArguments.B)));
            c.mov(count, Argument(nameof(ProductArguments.Depth)));
            c.Label(ref loop);
            // Not into the first-level cache, which can wait for few lines at once: one core reads 17 GB/s so, 10 with prefetcht0 (Zen 4).
            c.prefetcht2(__byte_ptr[ahead]);
            c.add(ahead, step);
            for (int i = 0; i < 2; i++)
                LoadFloats(Masked(tile[i], i, isMasked), b, cell, i);
            AssemblerMemoryOperand[] values =
            [
                __dword_bcst[a], __dword_bcst[a + stride], __dword_bcst[a + stride * 2], __dword_bcst[a + three],
                __dword_bcst[a + stride * 4], __dword_bcst[fifth], __dword_bcst[a + three * 2], __dword_bcst[fifth + stride * 2],
            ];
            for (int i = 0; i < 2 * tokens; i++)
                c.vfmadd231ps(Zmm[i], tile[i % 2], values[i / 2]);
            c.add(a, Dword);
            c.add(fifth, Dword);
            c.add(b, bStride);
            c.dec(count);
            c.jnz(loop);
            for (int i = 0; i < 2 * tokens; i++)
            {
                AssemblerMemoryOperand to = __zmmword_ptr[row + i % 2 * Vector];
                c.vmovups(!isMasked ? to : i % 2 == 0 ? to.k1 : to.k2, Zmm[i]);
                if (i % 2 == 1)
                    c.add(row, cStride);
            }
        }
    }

    /// <summary>A destination of which only the columns that there are get values, the others zeros.</summary>
    private static AssemblerRegisterZMM Masked(AssemblerRegisterZMM to, int vector, bool isMasked) =>
        !isMasked ? to : vector % 2 == 0 ? to.k1.z : to.k2.z;
}
