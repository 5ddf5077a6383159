using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Kernels for AMX int8 besides AVX-512's: with many tokens, a tile instruction multiplies 16 of them by 16 rows and 32 columns. Only the
/// integers' order of sums, which does not matter, differs from the other kernels', so results are the same to the bit. AMX's bfloat16
/// instruction is not used: it sums even and odd columns apart, and so would give other results than AVX-512's.
/// </summary>
internal unsafe class AmxKernels(bool hasBFloat16) : VnniKernels(hasBFloat16)
{
    /// <summary>Tokens in a tile.</summary>
    public new const int MaxTokens = 16;

    /// <summary>Bytes of the memory through which a tile's numbers go: exact sums and results of two panels.</summary>
    public const int RoomBytes = 4 * MaxTokens * 64;

    private static readonly nint[] TileKernels = new nint[16 * MaxTokens];

    /// <summary>
    /// Whether this processor has it (CPUID leaf 7, EDX bits 24 and 25) and the system saves its registers, which Linux does for those who
    /// ask (https://docs.kernel.org/arch/x86/xstate.html).
    /// </summary>
    public static new bool IsSupported { get; } = VnniKernels.IsSupported && HasAmx() && OperatingSystem.IsLinux() && IsGranted();

    public override string Name => HasBFloat16 ? "amx+bf16" : "amx";

    public override bool HasTiles => true;

    public override void IntegerTiles(in IntegerKind kind, int tokens, in PairArguments arguments)
    {
        nint kernel = Kernel(kind, tokens);
        fixed (PairArguments* given = &arguments)
            ((delegate* unmanaged[SuppressGCTransition]<PairArguments*, void>)kernel)(given);
    }

    /// <summary>The machine code's address.</summary>
    protected static nint Kernel(in IntegerKind kind, int tokens)
    {
        ref nint kernel = ref TileKernels[Index(kind) * MaxTokens + tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            Assemble(ref kernel, tokens, kind);
        return kernel;
    }

    private static void Assemble(ref nint kernel, int tokens, IntegerKind kind) =>
        Assemble(ref kernel, tokens, assembler => assembler.IntegerTiles(kind));

    private static bool HasAmx() =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & (3 << 24)) == 3 << 24;

    // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
    private static bool IsGranted() => SystemCall(158, 0x1023, 18) == 0;

    [DllImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern nint SystemCall(nint number, nint first, nint second);
}
