using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Half precision to float32 by the processor's own instruction, 16 values at once, for which .NET has no intrinsic.
/// </summary>
internal static unsafe class HalfKernel
{
    /// <summary>A call converts a multiple of so many values.</summary>
    public const int Unit = 64;

    private static readonly nint Code = VnniKernels.IsSupported ? Assemble() : 0;

    /// <summary>Whether this processor and system can run it.</summary>
    public static bool IsSupported => Code != 0;

    /// <summary>Converts units of <see cref="Unit"/> values.</summary>
    /// <param name="from">Halves.</param>
    /// <param name="to">Floats.</param>
    /// <param name="units">One or more.</param>
    public static void Run(ushort* from, float* to, nint units) =>
        ((delegate* unmanaged[SuppressGCTransition]<ushort*, float*, nint, void>)Code)(from, to, units);

    private static nint Assemble()
    {
        AssemblerRegister64 from = rcx, to = rdx, units = r8; // as Windows passes them
        Assembler c = new(64);
        if (!OperatingSystem.IsWindows())
        {
            c.mov(units, rdx);
            c.mov(from, rdi);
            c.mov(to, rsi);
        }
        AssemblerRegisterZMM[] values = [zmm16, zmm17, zmm18, zmm19];
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        for (int i = 0; i < values.Length; i++)
            c.vcvtph2ps(values[i], __ymmword_ptr[from + (i * 32)]);
        for (int i = 0; i < values.Length; i++)
            c.vmovups(__zmmword_ptr[to + (i * 64)], values[i]);
        c.add(from, Unit * sizeof(ushort));
        c.add(to, Unit * sizeof(float));
        c.dec(units);
        c.jnz(loop);
        c.ret();
        using MemoryStream code = new();
        c.Assemble(new StreamCodeWriter(code), 0);
        return ExecutableMemory.Load(code.ToArray());
    }
}
