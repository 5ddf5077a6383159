using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Kernels for AVX-512 with VNNI, and BF16 where the processor has it, which .NET has no intrinsics for: each is assembled at run
/// time when it is first needed.
/// </summary>
internal unsafe class VnniKernels(bool hasBFloat16) : Kernels
{
    // Entry points, 0 where not yet assembled. A process has one set, whatever the number of CpuOps.
    private static readonly nint[] IntegerKernels = new nint[16 * MaxTokens]; // by kind, then tokens
    private static readonly nint[] PairKernels = new nint[16 * MaxTokens];
    private static readonly nint[] PackedKernels = new nint[64 * 4 * MaxTokens]; // by type, then tokens
    private static readonly nint[] ScaledPairKernels = new nint[Formats.ScaledFloats.TypeCount * MaxTokens];
    private static readonly nint[] FloatKernels = new nint[MaxTokens];
    private static readonly nint[] FloatPairKernels = new nint[MaxTokens];
    private static readonly nint[] BFloat16Kernels = new nint[MaxTokens];
    private static readonly nint[] BFloat16PairKernels = new nint[MaxTokens];
    private static readonly nint[] CodeKernels = new nint[8 * MaxTokens]; // by kind, then tokens
    private static readonly nint[] CodePairKernels = new nint[8 * MaxTokens];
    private static readonly nint[] PackedBFloat16Kernels = new nint[64 * 4 * MaxTokens]; // by type, then tokens
    private static readonly nint[] PackedSingleKernels = new nint[64 * 4 * MaxTokens];
    private static readonly nint[] ColumnKernels = new nint[64 * 4]; // by type
    private static readonly nint[] ColumnFloatKernels = new nint[2];
    private static readonly Lock Assembling = new();

    /// <summary>Whether this processor and system can run them; the environment variable SLUICE_JIT=0 says no.</summary>
    public static bool IsSupported { get; } =
        Environment.GetEnvironmentVariable("SLUICE_JIT") != "0" && Avx512BW.IsSupported && HasVnni() && ExecutableMemory.IsSupported;

    /// <summary>
    /// Assembles a first kernel in the background: nearly all of its tens of milliseconds go into compiling the assembler, and
    /// that can happen while the weights are loaded.
    /// </summary>
    public static void WarmUp() => ThreadPool.UnsafeQueueUserWorkItem(
        static _ => AssembleIntegers(ref IntegerKernels[MaxTokens - 1], MaxTokens, new IntegerKind(0, 1, false, 8, false)), null);

    /// <summary>Whether this processor has AVX-512 BF16 too: CPUID leaf 7.1, EAX bit 5.</summary>
    public static bool IsBFloat16Supported { get; } =
        IsSupported && X86Base.CpuId(7, 0).Eax >= 1 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;

    public override string Name => hasBFloat16 ? "vnni+bf16" : "vnni";

    public override bool HasPairs => true;

    public override bool HasBFloat16 => hasBFloat16;

    public override void Integers(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups)
    {
        ref nint kernel = ref IntegerKernels[Index(kind) * MaxTokens + tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            AssembleIntegers(ref kernel, tokens, kind);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, sbyte*, float*, float*, nint, void>)kernel)(
            codes, scales, activations, notes, sums, groups);
    }

    public override void IntegerPair(in IntegerKind kind, int tokens, in PairArguments arguments)
    {
        ref nint kernel = ref PairKernels[Index(kind) * MaxTokens + tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            AssemblePair(ref kernel, tokens, kind);
        fixed (PairArguments* given = &arguments)
            ((delegate* unmanaged[SuppressGCTransition]<PairArguments*, void>)kernel)(given);
    }

    public override bool Packed(
        PackedIntegers panels, int tokens, byte* units, sbyte* activations, float* notes, float* sums, nint groups, nint count)
    {
        ref nint kernel = ref Packed(PackedKernels, panels.Type, tokens);
        if (Volatile.Read(ref kernel) == 0)
            AssemblePacked(ref kernel, tokens, panels);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, sbyte*, float*, float*, nint, nint, void>)kernel)(
            units, activations, notes, sums, groups, count);
        return true;
    }

    public override void Floats(int tokens, float* values, float* activations, float* sums, nint columns)
    {
        ref nint kernel = ref FloatKernels[tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            Assemble(ref kernel, tokens, assembler => assembler.Floats());
        ((delegate* unmanaged[SuppressGCTransition]<float*, float*, float*, nint, void>)kernel)(values, activations, sums, columns);
    }

    public override void FloatPair(int tokens, float* values, float* activations, float* sums, nint columns)
    {
        ref nint kernel = ref FloatPairKernels[tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            Assemble(ref kernel, tokens, assembler => assembler.FloatPair());
        ((delegate* unmanaged[SuppressGCTransition]<float*, float*, float*, nint, void>)kernel)(values, activations, sums, columns);
    }

    public override bool PackedPoints(
        PackedPoints panels, int tokens, byte* units, sbyte* activations, float* notes, float* sums, nint groups, nint count)
    {
        if (!panels.CanLookUp && !panels.CanLoad)
            return false;
        ref nint kernel = ref Packed(PackedKernels, panels.Format.Type, tokens);
        if (Volatile.Read(ref kernel) == 0)
            AssemblePoints(ref kernel, tokens, panels);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, sbyte*, float*, float*, nint, nint, void>)kernel)(
            units, activations, notes, sums, groups, count);
        return true;
    }

    public override bool PackedFloats(TensorType type, int tokens, byte* values, float* activations, float* sums, nint columns)
    {
        ref nint kernel = ref Packed(PackedKernels, type, tokens);
        if (Volatile.Read(ref kernel) == 0)
            AssembleFloats(ref kernel, tokens, type);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, nint, void>)kernel)(values, activations, sums, columns);
        return true;
    }

    public override bool PackedScaledFloats(
        PackedScaledFloats panels, int tokens, byte* codes, float* activations, float* sums, nint columns)
    {
        ref nint kernel = ref Packed(PackedKernels, panels.Format.Type, tokens);
        if (Volatile.Read(ref kernel) == 0)
            AssembleScaled(ref kernel, tokens, panels.Format, panels: 1);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, nint, nint, void>)kernel)(codes, activations, sums, columns, 0);
        return true;
    }

    public override bool ColumnIntegers(ColumnIntegers panels, in ColumnArguments arguments)
    {
        ref nint kernel = ref ColumnKernels[Index(panels.Type)];
        if (Volatile.Read(ref kernel) == 0)
            AssembleColumns(ref kernel, panels);
        ColumnArguments copy = arguments; // the kernel counts in it
        ((delegate* unmanaged[SuppressGCTransition]<ColumnArguments*, void>)kernel)(&copy);
        return true;
    }

    public override bool ColumnFloats(TensorType type, int* columns, float* values, nint count, in ColumnArguments arguments)
    {
        ref nint kernel = ref ColumnFloatKernels[type == TensorType.F16 ? 1 : 0];
        if (Volatile.Read(ref kernel) == 0)
            AssembleColumns(ref kernel, type);
        fixed (ColumnArguments* given = &arguments)
            ((delegate* unmanaged[SuppressGCTransition]<int*, float*, nint, ColumnArguments*, void>)kernel)(columns, values, count, given);
        return true;
    }

    public override void ScaledFloatPair(
        ScaledFloats format, int tokens, byte* codes, nint distance, float* activations, float* sums, nint columns)
    {
        ref nint kernel = ref ScaledPairKernels[(int)(format.Type - Formats.ScaledFloats.FirstType) * MaxTokens + tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            AssembleScaled(ref kernel, tokens, format, panels: 2);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, nint, nint, void>)kernel)(codes, activations, sums, columns, distance);
    }

    public override void BFloat16s(int tokens, byte* values, uint* activations, float* sums, nint pairs)
    {
        ref nint kernel = ref BFloat16Kernels[tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            Assemble(ref kernel, tokens, static assembler => assembler.BFloat16s());
        ((delegate* unmanaged[SuppressGCTransition]<byte*, uint*, float*, nint, void>)kernel)(values, activations, sums, pairs);
    }

    public override void BFloat16Pair(int tokens, byte* values, nint distance, uint* activations, float* sums, nint pairs)
    {
        ref nint kernel = ref BFloat16PairKernels[tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            Assemble(ref kernel, tokens, static assembler => assembler.BFloat16Pair());
        ((delegate* unmanaged[SuppressGCTransition]<byte*, uint*, float*, nint, nint, void>)kernel)(
            values, activations, sums, pairs, distance);
    }

    public override void ScaledCodes(
        in CodeKind kind, int tokens, float* values, float* scales, float* activations, float* sumsOf, float* sums, nint groups)
    {
        ref nint kernel = ref CodeKernels[kind.Index * MaxTokens + tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            AssembleCodes(ref kernel, tokens, kind);
        ((delegate* unmanaged[SuppressGCTransition]<float*, float*, float*, float*, float*, nint, void>)kernel)(
            values, scales, activations, sumsOf, sums, groups);
    }

    public override void ScaledCodePair(in CodeKind kind, int tokens, in PairArguments arguments)
    {
        ref nint kernel = ref CodePairKernels[kind.Index * MaxTokens + tokens - 1];
        if (Volatile.Read(ref kernel) == 0)
            AssembleCodePair(ref kernel, tokens, kind);
        fixed (PairArguments* given = &arguments)
            ((delegate* unmanaged[SuppressGCTransition]<PairArguments*, void>)kernel)(given);
    }

    public override bool PackedCodes(
        ScaledCodes panels, in CodeKind kind, int tokens, int panel, int column, float* activations, float* sumsOf, float* sums, nint groups)
    {
        nint[] kernels = kind.IsSingle ? PackedSingleKernels : PackedBFloat16Kernels;
        switch (panels.Codes)
        {
            case PackedIntegers integers:
                ref nint kernel = ref Packed(kernels, integers.Type, tokens);
                if (Volatile.Read(ref kernel) == 0)
                    AssemblePackedCodes(ref kernel, tokens, kind, integers);
                ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, float*, nint, void>)kernel)(
                    integers.Units(panel, column), activations, sumsOf, sums, groups);
                return true;
            case PackedPoints { CanLookUp: true } points:
                kernel = ref Packed(kernels, points.Format.Type, tokens);
                if (Volatile.Read(ref kernel) == 0)
                    AssembleScaledPoints(ref kernel, tokens, kind, points);
                ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, nint, void>)kernel)(
                    points.Units(panel, column), activations, sums, groups);
                return true;
            case PackedScaledFloats floats:
                kernel = ref Packed(kernels, floats.Format.Type, tokens);
                if (Volatile.Read(ref kernel) == 0)
                    AssembleScaledLevels(ref kernel, tokens, kind, floats);
                ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, nint, void>)kernel)(
                    floats.Codes(panel, column), activations, sums, groups * IntegerPanels.Group);
                return true;
            default:
                return false;
        }
    }

    public override long IntegerPeak(int rounds) => PeakLoop.Integers.Run(rounds);

    public override long FloatPeak(int rounds) => PeakLoop.Floats.Run(rounds);

    public override long BFloat16Peak(int rounds) => PeakLoop.Bfloat16s.Run(rounds);

    private static ref nint Packed(nint[] kernels, TensorType type, int tokens) => ref kernels[Index(type) * MaxTokens + tokens - 1];

    // Types of our own follow GGUF's 64.
    private static int Index(TensorType type) => type < WeightFormats.FirstOwnType ? (int)type : 64 + (int)(type - WeightFormats.FirstOwnType);

    protected static int Index(in IntegerKind kind) => Kinds.Index(kind) * 2 + (kind.Offset != 0 ? 1 : 0);

    // Methods of their own, for their closures are objects that the calls of a finished kernel need not make.
    private static void AssembleIntegers(ref nint kernel, int tokens, IntegerKind kind) =>
        Assemble(ref kernel, tokens, assembler => assembler.Integers(kind));

    private static void AssemblePair(ref nint kernel, int tokens, IntegerKind kind) =>
        Assemble(ref kernel, tokens, assembler => assembler.IntegerPair(kind));

    private static void AssemblePacked(ref nint kernel, int tokens, PackedIntegers panels) =>
        Assemble(ref kernel, tokens, assembler => assembler.Packed(panels.Kind, panels.Layout, panels.Levels));

    private static void AssemblePoints(ref nint kernel, int tokens, PackedPoints panels) =>
        Assemble(ref kernel, tokens, assembler => assembler.Points(panels.Kind, panels.Format, panels.Layout));

    private static void AssembleScaled(ref nint kernel, int tokens, ScaledFloats format, int panels) =>
        Assemble(ref kernel, tokens, assembler => assembler.ScaledFloats(format, panels));

    private static void AssembleCodes(ref nint kernel, int tokens, CodeKind kind) =>
        Assemble(ref kernel, tokens, assembler => assembler.ScaledCodes(kind));

    private static void AssembleCodePair(ref nint kernel, int tokens, CodeKind kind) =>
        Assemble(ref kernel, tokens, assembler => assembler.ScaledCodePair(kind));

    private static void AssemblePackedCodes(ref nint kernel, int tokens, CodeKind kind, PackedIntegers panels) =>
        Assemble(ref kernel, tokens, assembler => assembler.PackedCodes(kind, panels.Kind.Offset, panels.Layout, panels.Levels));

    private static void AssembleScaledPoints(ref nint kernel, int tokens, CodeKind kind, PackedPoints panels) =>
        Assemble(ref kernel, tokens, assembler => assembler.ScaledPoints(kind, panels.Format, panels.Layout));

    private static void AssembleScaledLevels(ref nint kernel, int tokens, CodeKind kind, PackedScaledFloats panels) =>
        Assemble(ref kernel, tokens, assembler => assembler.ScaledLevels(kind, panels.Format, panels.Pairs));

    private static void AssembleColumns(ref nint kernel, ColumnIntegers panels) =>
        Assemble(ref kernel, 1, assembler => assembler.ColumnIntegers(panels.Kind, panels.Layout, panels.Levels));

    private static void AssembleColumns(ref nint kernel, TensorType type) =>
        Assemble(ref kernel, 1, assembler => assembler.ColumnFloats(type));

    private static void AssembleFloats(ref nint kernel, int tokens, TensorType type) =>
        Assemble(ref kernel, tokens, assembler =>
        {
            if (type == TensorType.BF16)
                assembler.WidenedBFloat16s();
            else
                assembler.Floats(type);
        });

    public static void Assemble(ref nint kernel, int tokens, Action<KernelAssembler> write)
    {
        lock (Assembling)
        {
            if (kernel != 0)
                return;
            Volatile.Write(ref kernel, ExecutableMemory.Load(Code(tokens, write)));
        }
    }

    // Where the instructions end is known only once they are written; a second time puts the constants at a whole cache line from
    // there, for a load across two lines costs twice.
    private static ReadOnlySpan<byte> Code(int tokens, Action<KernelAssembler> write)
    {
        int padding = 0;
        while (true)
        {
            KernelAssembler assembler = new(tokens) { Padding = padding };
            write(assembler);
            using MemoryStream code = new();
            assembler.Write(code);
            int before = (int)code.Length - assembler.ConstantBytes;
            if (assembler.ConstantBytes == 0 || before % NativeBuffer.Alignment == 0)
                return code.GetBuffer().AsSpan(0, (int)code.Length);
            padding = NativeBuffer.Alignment - before % NativeBuffer.Alignment;
        }
    }

    // CPUID leaf 7, ECX bit 11.
    private static bool HasVnni() =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;
}
