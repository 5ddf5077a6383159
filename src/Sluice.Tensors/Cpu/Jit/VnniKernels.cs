using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Kernels for AVX-512 with VNNI, which .NET has no intrinsics for: assembled at run time, for each number of tokens, when a kind of
/// weights first asks.
/// </summary>
internal sealed unsafe class VnniKernels : Kernels
{
    private static readonly Lock Assembling = new();
    private static readonly nint[]?[] IntegerKernels = new nint[]?[8];
    private static readonly nint[]?[] PackedKernels = new nint[]?[64]; // by type
    private static readonly nint[]?[] PairKernels = new nint[]?[8];
    private static nint[]? floatKernels, floatPairKernels;

    /// <summary>Whether this processor and system can run them; the environment variable SLUICE_JIT=0 says no.</summary>
    public static bool IsSupported { get; } =
        Environment.GetEnvironmentVariable("SLUICE_JIT") != "0" && Avx512BW.IsSupported && HasVnni() && ExecutableMemory.IsSupported;

    public override string Name => "vnni";

    public override void Integers(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups)
    {
        int index = Index(kind);
        nint[] kernels = Volatile.Read(ref IntegerKernels[index]) ?? AssembleIntegers(index, kind);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, sbyte*, float*, float*, nint, void>)kernels[tokens - 1])(
            codes, scales, activations, notes, sums, groups);
    }

    public override void Floats(int tokens, float* values, float* activations, float* sums, nint columns)
    {
        nint[] kernels = Volatile.Read(ref floatKernels) ?? Assemble(ref floatKernels, assembler => assembler.Floats());
        ((delegate* unmanaged[SuppressGCTransition]<float*, float*, float*, nint, void>)kernels[tokens - 1])(
            values, activations, sums, columns);
    }

    public override bool Packed(
        PackedIntegers panels, int tokens, byte* codes, byte* scales, sbyte* activations, float* notes, float* sums, nint groups)
    {
        int index = (int)panels.Type;
        nint[] kernels = Volatile.Read(ref PackedKernels[index]) ?? AssemblePacked(index, panels);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, byte*, sbyte*, float*, float*, nint, void>)kernels[tokens - 1])(
            codes, scales, activations, notes, sums, groups);
        return true;
    }

    public override bool PackedFloats(TensorType type, int tokens, byte* values, float* activations, float* sums, nint columns)
    {
        int index = (int)type;
        nint[] kernels = Volatile.Read(ref PackedKernels[index])
            ?? Assemble(ref PackedKernels[index], assembler => assembler.Floats((TensorType)index));
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, float*, nint, void>)kernels[tokens - 1])(
            values, activations, sums, columns);
        return true;
    }

    public override bool HasPairs => true;

    public override void IntegerPair(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups)
    {
        int index = Index(kind);
        nint[] kernels = Volatile.Read(ref PairKernels[index]) ?? AssemblePairs(index, kind);
        ((delegate* unmanaged[SuppressGCTransition]<byte*, float*, sbyte*, float*, float*, nint, void>)kernels[tokens - 1])(
            codes, scales, activations, notes, sums, groups);
    }

    public override void FloatPair(int tokens, float* values, float* activations, float* sums, nint columns)
    {
        nint[] kernels = Volatile.Read(ref floatPairKernels) ?? Assemble(ref floatPairKernels, assembler => assembler.FloatPair());
        ((delegate* unmanaged[SuppressGCTransition]<float*, float*, float*, nint, void>)kernels[tokens - 1])(
            values, activations, sums, columns);
    }

    private static int Index(in IntegerKind kind) => (kind.Parts == 2 ? 4 : 0) + (kind.HasMin ? 2 : 0) + (kind.Offset != 0 ? 1 : 0);

    private static nint[] AssemblePairs(int index, IntegerKind kind) =>
        Assemble(ref PairKernels[index], assembler => assembler.IntegerPair(kind));

    private static nint[] AssembleIntegers(int index, IntegerKind kind) =>
        Assemble(ref IntegerKernels[index], assembler => assembler.Integers(kind));

    private static nint[] AssemblePacked(int index, PackedIntegers panels) =>
        Assemble(ref PackedKernels[index], assembler => assembler.Packed(panels.Kind, panels.Layout, panels.Levels));

    private static nint[] Assemble(ref nint[]? kernels, Action<KernelAssembler> write)
    {
        lock (Assembling)
        {
            if (kernels is not null)
                return kernels;
            nint[] made = new nint[MaxTokens];
            using MemoryStream code = new();
            for (int tokens = 1; tokens <= MaxTokens; tokens++)
            {
                while (code.Length % 64 != 0)
                    code.WriteByte(0xCC);
                made[tokens - 1] = (nint)code.Length;
                KernelAssembler assembler = new(tokens);
                write(assembler);
                assembler.Write(code);
            }
            nint start = ExecutableMemory.Load(code.GetBuffer().AsSpan(0, (int)code.Length));
            for (int i = 0; i < made.Length; i++)
                made[i] += start;
            Volatile.Write(ref kernels, made);
            return made;
        }
    }

    // CPUID leaf 7, ECX bit 11.
    private static bool HasVnni() =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;
}
