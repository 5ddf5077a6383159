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
/// Where activations have a wide scale, groups come in eights, the first begins at 0, each of the others fuses its numbers with the
/// result of the one before, and the last one's result times the scale, of which each group has a copy, joins the sums.
///
/// For floats: values [columns, 16 rows], activations [columns, T], sums = fma(value, activation, sums) column by column. With
/// BF16 weights activations are rounded to bfloat16, and of two neighbouring columns the odd one comes before the even one, in values and
/// activations alike: the order of the bfloat16 dot product instruction, whose kernels take both as pairs (<see cref="Bfloat16Pairs"/>).
/// Codes with scales that meet floats (<see cref="Cpu.ScaledCodes"/>) are summed in this order for each part of 32 columns, from 0:
/// sums = fma(part, scale, sums), and after the parts sums = fma(minimum, sum of its activations, sums).
/// </remarks>
internal abstract unsafe class Kernels
{
    /// <summary>Tokens in the largest tile.</summary>
    public const int MaxTokens = 8;

    /// <summary>
    /// Up to so many tokens are multiplied by weights unpacked in registers, tile by tile; more, by weights unpacked once. Where the
    /// second becomes faster was measured (bench/Sluice.Tensors.Benchmarks --tokens).
    /// </summary>
    public const int PackedTokens = 64;

    /// <summary>Tokens in a tile for two panels: their sums and products just fit in 32 registers.</summary>
    public const int PairTokens = 6;

    /// <summary>
    /// The bits of 1.5 * 2^23. Added to an integer of up to 22 bits it gives the bits of the float 1.5 * 2^23 + that integer.
    /// </summary>
    public const int Magic = 0x4B400000;

    /// <summary>The name of the instruction set.</summary>
    public abstract string Name { get; }

    /// <summary>Multiplies integers.</summary>
    public abstract void Integers(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups);

    /// <summary>
    /// Multiplies integers as they are packed, panels that follow each other (whose sums do so too) at once; false where it cannot. Of more
    /// than one panel all columns are meant.
    /// </summary>
    public virtual bool Packed(
        PackedIntegers panels, int tokens, byte* units, sbyte* activations, float* notes, float* sums, nint groups, nint count) => false;

    /// <summary>The same for integers that are points of a code book.</summary>
    public virtual bool PackedPoints(
        PackedPoints panels, int tokens, byte* units, sbyte* activations, float* notes, float* sums, nint groups, nint count) => false;

    /// <summary>Multiplies floats as they are packed, all columns of a panel at once; false where it cannot.</summary>
    public virtual bool PackedFloats(
        TensorType type, int tokens, byte* values, float* activations, float* sums, nint columns) => false;

    /// <summary>
    /// Multiplies the active columns of some blocks of a slab of integers that lie in columns by one token; false where it cannot.
    /// </summary>
    public virtual bool ColumnIntegers(ColumnIntegers panels, in ColumnArguments arguments) => false;

    /// <summary>The same for floats: the columns are counted from the slab's first, which <see cref="ColumnArguments.First"/> is of.</summary>
    public virtual bool ColumnFloats(TensorType type, int* columns, float* values, nint count, in ColumnArguments arguments) => false;

    /// <summary>Multiplies small floats with scales as they are packed, all columns of a panel at once; false where it cannot.</summary>
    public virtual bool PackedScaledFloats(
        PackedScaledFloats panels, int tokens, byte* codes, float* activations, float* sums, nint columns) => false;

    /// <summary>
    /// The same for two panels of one format, the second's codes <paramref name="distance"/> bytes behind, its sums in the second place of a
    /// <see cref="WorkerScratch"/>, if <see cref="HasPairs"/>.
    /// </summary>
    public virtual void ScaledFloatPair(
        ScaledFloats format, int tokens, byte* codes, nint distance, float* activations, float* sums, nint columns) =>
        throw new NotSupportedException();

    /// <summary>Whether there are kernels for pairs of bfloat16, of one panel and of two; else BF16 weights are unpacked to floats.</summary>
    public virtual bool HasBFloat16 => false;

    /// <summary>Multiplies pairs of bfloat16: values [pairs, 16 rows, 2], activations [pairs, T, 2].</summary>
    public virtual void BFloat16s(int tokens, byte* values, uint* activations, float* sums, nint pairs) =>
        throw new NotSupportedException();

    /// <summary>
    /// The same for two panels, the second's values <paramref name="distance"/> bytes behind, its sums in the second place of
    /// a <see cref="WorkerScratch"/>.
    /// </summary>
    public virtual void BFloat16Pair(int tokens, byte* values, nint distance, uint* activations, float* sums, nint pairs) =>
        throw new NotSupportedException();

    /// <summary>
    /// Multiplies codes with scales. Pairs of bfloat16, if <see cref="HasBFloat16"/>: values [groups, 16, 16 rows, 2], activations
    /// [groups, 16, T, 2]; singles: values [groups, 32, 16 rows], activations [groups, 32, T], of each pair of columns the odd one first.
    /// Scales are [groups, scales then minimums of a group, 16 rows], sums of activations, where there are minimums, [groups, parts, T].
    /// This joins what <see cref="Floats"/> makes of each part of a group.
    /// </summary>
    public virtual void ScaledCodes(
        in CodeKind kind, int tokens, float* values, float* scales, float* activations, float* sumsOf, float* sums, nint groups)
    {
        const int Height = Panels.Height;
        if (!kind.IsSingle)
            throw new NotSupportedException();
        float* products = stackalloc float[MaxTokens * Height];
        int columns = IntegerPanels.Group / kind.Parts;
        for (nint g = 0; g < groups; g++)
        {
            for (int part = 0; part < kind.Parts; part++, scales += Height, values += columns * Height, activations += columns * tokens)
            {
                new Span<float>(products, tokens * Height).Clear();
                Floats(tokens, values, activations, products, columns);
                for (int t = 0; t < tokens; t++)
                    Add(Vector512.Load(products + t * Height), scales, sums + t * Height);
            }
            for (int part = 0; part < kind.SumsPerGroup; part++, scales += Height, sumsOf += tokens)
            {
                for (int t = 0; t < tokens; t++)
                    Add(Vector512.Create(sumsOf[t]), scales, sums + t * Height);
            }
        }

        static void Add(Vector512<float> factor, float* scales, float* sums) =>
            Vector512.FusedMultiplyAdd(factor, Vector512.Load(scales), Vector512.Load(sums)).Store(sums);
    }

    /// <summary>
    /// The same for two panels, unpacked to the two places for values of a <see cref="WorkerScratch"/>, by one tile after the other, if
    /// <see cref="HasPairs"/>.
    /// </summary>
    public virtual void ScaledCodePair(in CodeKind kind, int tokens, in PairArguments arguments) => throw new NotSupportedException();

    /// <summary>The same for codes as they are packed, all columns of a panel at once; false where it cannot.</summary>
    public virtual bool PackedCodes(
        ScaledCodes panels, in CodeKind kind, int tokens, int panel, int column, float* activations, float* sumsOf, float* sums, nint groups) => false;

    /// <summary>Multiplies floats.</summary>
    public abstract void Floats(int tokens, float* values, float* activations, float* sums, nint columns);

    /// <summary>
    /// Multiplies two panels' integers, unpacked to the two places of a <see cref="WorkerScratch"/>, by one tile after the other, if
    /// <see cref="HasPairs"/>.
    /// </summary>
    public virtual void IntegerPair(in IntegerKind kind, int tokens, in PairArguments arguments) => throw new NotSupportedException();

    /// <summary>The same for floats.</summary>
    public virtual void FloatPair(int tokens, float* values, float* activations, float* sums, nint columns) =>
        throw new NotSupportedException();

    /// <summary>Whether there are kernels for two panels.</summary>
    public virtual bool HasPairs => false;

    /// <summary>Whether there are kernels for two panels and larger tiles.</summary>
    public virtual bool HasTiles => false;

    /// <summary>
    /// As <see cref="IntegerPair"/>, if <see cref="HasTiles"/>, for tiles of up to <see cref="AmxKernels.MaxTokens"/> tokens whose
    /// activations lie as [groups, T, 32].
    /// </summary>
    public virtual void IntegerTiles(in IntegerKind kind, int tokens, in PairArguments arguments) => throw new NotSupportedException();

    /// <summary>Multiplies and adds bytes in registers alone: the most that this instruction set can do.</summary>
    /// <returns>The number of products.</returns>
    public abstract long IntegerPeak(int rounds);

    /// <summary>The same for floats.</summary>
    public abstract long FloatPeak(int rounds);

    /// <summary>The same for bfloat16, if <see cref="HasBFloat16"/>.</summary>
    public virtual long BFloat16Peak(int rounds) => throw new NotSupportedException();

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
        if (AmxKernels.IsSupported)
            yield return new AmxKernels(VnniKernels.IsBFloat16Supported);
        if (VnniKernels.IsSupported)
        {
            if (VnniKernels.IsBFloat16Supported)
                yield return new VnniKernels(hasBFloat16: true);
            yield return new VnniKernels(hasBFloat16: false);
        }
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

/// <summary>What <see cref="Kernels.IntegerPair"/> multiplies: for each tile its activations, notes and sums follow those of the tile before.</summary>
internal unsafe struct PairArguments
{
    public byte* Codes;
    public float* Scales;
    public sbyte* Activations;
    public float* Notes;
    public float* Sums;
    public nint Groups;
    public nint Tiles;

    /// <summary>Of <see cref="AmxKernels.RoomBytes"/>, for <see cref="Kernels.IntegerTiles"/>.</summary>
    public byte* Room;
}

/// <summary>What <see cref="Kernels.ColumnIntegers"/> multiplies; see <see cref="ActiveColumns"/>.</summary>
internal unsafe struct ColumnArguments
{
    /// <summary>The first block of the step's first column.</summary>
    public byte* First;
    public nint ColumnBytes;

    /// <summary>How many, which follow each other.</summary>
    public nint Blocks;
    public byte* Places;
    public byte* Counts;
    public sbyte* Quants;
    public float* Notes;

    /// <summary>The packed scales of the block's first panel.</summary>
    public byte* Scales;

    /// <summary>Bytes from a panel's scales to the next one's.</summary>
    public nint PanelScales;

    /// <summary>[panels, 16 rows].</summary>
    public float* Sums;
    public nint Groups;

    /// <summary>What <see cref="Ahead"/> counts from: the first block of the slab's first column.</summary>
    public byte* AheadFirst;

    /// <summary>
    /// Where columns are whose block is wanted next, in bytes: as many for each turn of the loop as it multiplies, to be brought to the
    /// second-level cache meanwhile.
    /// </summary>
    public int* Ahead;

    /// <summary>For how many more turns than there are.</summary>
    public nint AheadLeft;

    /// <summary>The scales that are wanted next, or null.</summary>
    public byte* AheadScales;
}
