using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>The kernels of one instruction set. They add a stretch of columns of one panel times one tile to the tile's sums.</summary>
/// <remarks>
/// For integers, with T tokens in the tile and, for every group of 32 columns, h parts with a scale (and minimum) each:
/// <code>
/// codes        [groups, 8, 16 rows, 4]             unsigned: q + offset
/// scales       [groups, h scales, h mins, 16 rows]
/// activations  [groups, 8, T, 4]                   signed
/// notes        [groups, T scales, h * T starts, h * T sums, if there are minimums]
/// sums         [T, 16 rows]
///
/// start = Magic - offset * the part's sum of activations, an integer
/// group = (start + codes * activations - Magic) * scale, fused over the parts, then minimum * sum of each part, fused
/// sums  = fma(group, scale of the activations, sums)
/// </code>
/// For floats: values [columns, 16 rows], activations [columns, T], sums = fma(value, activation, sums) column by column.
/// </remarks>
internal abstract unsafe class Kernels
{
    /// <summary>Tokens in the largest tile.</summary>
    public const int MaxTokens = 8;

    /// <summary>
    /// The bits of 1.5 * 2^23. Added to an integer of up to 22 bits it gives the bits of the float 1.5 * 2^23 + that integer.
    /// </summary>
    public const int Magic = 0x4B400000;

    /// <summary>The name of the instruction set.</summary>
    public abstract string Name { get; }

    /// <summary>Multiplies integers.</summary>
    public abstract void Integers(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups);

    /// <summary>Multiplies integers as they are packed, all columns of a panel at once; false where it cannot.</summary>
    public virtual bool Packed(
        PackedIntegers panels, int tokens, byte* codes, byte* scales, sbyte* activations, float* notes, float* sums, nint groups) => false;

    /// <summary>Multiplies integers that are points of a code book, all columns of a panel at once; false where it cannot.</summary>
    public virtual bool PackedPoints(
        PackedPoints panels, int tokens, byte* units, sbyte* activations, float* notes, float* sums, nint groups) => false;

    /// <summary>Multiplies floats as they are packed, all columns of a panel at once; false where it cannot.</summary>
    public virtual bool PackedFloats(
        TensorType type, int tokens, byte* values, float* activations, float* sums, nint columns) => false;

    /// <summary>Multiplies floats.</summary>
    public abstract void Floats(int tokens, float* values, float* activations, float* sums, nint columns);

    /// <summary>
    /// Multiplies two panels' integers, unpacked to the two places of a <see cref="WorkerScratch"/>, if <see cref="HasPairs"/>.
    /// </summary>
    public virtual void IntegerPair(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups) =>
        throw new NotSupportedException();

    /// <summary>The same for floats.</summary>
    public virtual void FloatPair(int tokens, float* values, float* activations, float* sums, nint columns) =>
        throw new NotSupportedException();

    /// <summary>Whether there are kernels for two panels.</summary>
    public virtual bool HasPairs => false;

    /// <summary>Multiplies and adds bytes in registers alone: the most that this instruction set can do.</summary>
    /// <returns>The number of products.</returns>
    public abstract long IntegerPeak(int rounds);

    /// <summary>The same for floats.</summary>
    public abstract long FloatPeak(int rounds);

    /// <summary>The fastest for this processor; the environment variable SLUICE_ISA can ask for a lesser one.</summary>
    /// <exception cref="NotSupportedException">SLUICE_ISA is unknown, or the processor does not have it.</exception>
    public static Kernels Best() => Best(Environment.GetEnvironmentVariable("SLUICE_ISA"));

    /// <summary>Those of that name, or the fastest where there is none.</summary>
    /// <exception cref="NotSupportedException">The name is unknown, or the processor does not have them.</exception>
    public static Kernels Best(string? name) => string.IsNullOrEmpty(name)
        ? All().First()
        : All().FirstOrDefault(kernels => kernels.Name == name) ?? throw new NotSupportedException(
            $"SLUICE_ISA={name} is not one of {string.Join(", ", All().Select(kernels => kernels.Name))}, which this processor has.");

    /// <summary>What this processor has, the fastest first.</summary>
    public static IEnumerable<Kernels> All()
    {
        if (VnniKernels.IsSupported)
            yield return new VnniKernels();
        if (Avx512BW.IsSupported)
            yield return new LaneKernels<Avx512Lanes, Vector512<int>, Vector512<float>>("avx512");
        if (AvxVnni.IsSupported && Fma.IsSupported)
            yield return new LaneKernels<AvxVnniLanes, Vector256<int>, Vector256<float>>("avxvnni");
        if (Avx2.IsSupported && Fma.IsSupported)
            yield return new LaneKernels<Avx2Lanes, Vector256<int>, Vector256<float>>("avx2");
        if (Dp.IsSupported)
            yield return new LaneKernels<ArmLanes, Vector128<int>, Vector128<float>>("neon");
        yield return new LaneKernels<ScalarLanes, int, float>("scalar");
    }
}
