using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// An assembled loop of one instruction with independent sums: nothing but what the kernels are made of. It touches only
/// registers that no calling convention wants back.
/// </summary>
internal sealed unsafe class PeakLoop
{
    /// <summary>More than the latency of an instruction (4 or 5 cycles) times those that begin in a cycle (2).</summary>
    public const int Sums = 12;

    private const int DataBytes = 64 * Sums;
    private static readonly AssemblerRegisterZMM[] SumRegisters =
        [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27];

    private static readonly Lazy<PeakLoop> LazyIntegers = new(() => new PeakLoop(64, (c, i) => c.vpdpbusd(Sum(i), X, Y)));
    private static readonly Lazy<PeakLoop> LazyFloats = new(() => new PeakLoop(16, (c, i) => c.vfmadd231ps(Sum(i), X, Y)));
    private static readonly Lazy<PeakLoop> LazyBfloat16s = new(() => new PeakLoop(32, (c, i) => c.vdpbf16ps(Sum(i), X, Y)));

    private readonly int products;
    private readonly delegate* unmanaged<byte*, nint, void> loop;

    /// <summary>Assembles a loop.</summary>
    /// <param name="products">Products, or lanes, of one instruction.</param>
    /// <param name="write">Writes the instruction for the sum of that number.</param>
    public PeakLoop(int products, Action<Assembler, int> write)
    {
        this.products = products;
        Assembler c = new(64);
        if (!OperatingSystem.IsWindows()) // which passes its arguments in rcx and rdx
        {
            c.mov(rcx, rdi);
            c.mov(rdx, rsi);
        }
        foreach (AssemblerRegisterZMM register in (AssemblerRegisterZMM[])[.. SumRegisters, X, Y])
            c.vpxord(register, register, register);
        Label top = c.CreateLabel();
        c.Label(ref top);
        for (int i = 0; i < Sums; i++)
            write(c, i);
        c.dec(rdx);
        c.jnz(top);
        c.ret();
        using MemoryStream code = new();
        c.Assemble(new StreamCodeWriter(code), 0);
        loop = (delegate* unmanaged<byte*, nint, void>)ExecutableMemory.Load(code.ToArray());
    }

    /// <summary>Unsigned by signed bytes (AVX-512 VNNI).</summary>
    public static PeakLoop Integers => LazyIntegers.Value;

    /// <summary>Single precision (AVX-512).</summary>
    public static PeakLoop Floats => LazyFloats.Value;

    /// <summary>Pairs of bfloat16 (AVX-512 BF16).</summary>
    public static PeakLoop Bfloat16s => LazyBfloat16s.Value;

    /// <summary>An operand, zero.</summary>
    public static AssemblerRegisterZMM X => zmm28;

    /// <summary>The other one, zero.</summary>
    public static AssemblerRegisterZMM Y => zmm29;

    /// <summary>Points to 64 zero bytes for each sum.</summary>
    public static AssemblerRegister64 Data => rcx;

    /// <summary>The register of a sum.</summary>
    public static AssemblerRegisterZMM Sum(int i) => SumRegisters[i];

    /// <summary>Runs the loop that many times.</summary>
    /// <returns>The number of products.</returns>
    public long Run(int rounds)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rounds);
        byte* data = stackalloc byte[DataBytes + 63];
        data = (byte*)(((nint)data + 63) & ~63);
        new Span<byte>(data, DataBytes).Clear();
        loop(data, rounds);
        return (long)rounds * Sums * products;
    }
}
