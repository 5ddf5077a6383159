using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// A linear map's inputs, arranged for its kernels: positions (rows, perhaps reordered by expert) in tiles of up to 8, each tile's
/// numbers interleaved by token, as <see cref="Kernels"/> draws them. Quantized once, whatever the number of weights.
/// Columns come in blocks: all tiles of the first block, then all of the next. So what a kernel reads for many tiles and the few
/// columns that it has unpacked lies in one piece, which the processor fetches ahead.
/// </summary>
internal unsafe struct Activations
{
    /// <summary>Position of each tile's first token; tile i ends where tile i + 1 begins.</summary>
    public int* Tiles;

    public int TileCount;

    /// <summary>The row of <see cref="Input"/> at each position.</summary>
    public int* Rows;

    public Tensor Input;

    /// <summary>For each tile the input of each column, where they stand in another order; else null.</summary>
    public int** Orders;

    /// <summary>Whether inputs are rotated first; they have no order then.</summary>
    public bool Rotates;

    /// <summary>Inputs whose magnitude is below this count as zero.</summary>
    public float Threshold;

    /// <summary>Inputs are clipped to this magnitude, and the scale of a token stands for it; 0 for that of the token's largest.</summary>
    public float Range;

    /// <summary>With a rotation, an order, a threshold or a range: what they make of the inputs [positions, columns], written by <see cref="Arrange"/>.</summary>
    public float* Changed;

    /// <summary>How the inputs are rounded; with a static scale if there is a <see cref="Range"/>.</summary>
    public ActivationPrecision Precision;

    /// <summary>Room for the rounded inputs [positions, columns] before they are arranged; null where floats are not rounded.</summary>
    public float* Float;

    /// <summary>What the sums of each position are to be multiplied by, of FP8; else null.</summary>
    public float* TokenScales;

    /// <summary>Columns of a block, a multiple of <see cref="IntegerPanels.Group"/> (hence even); all, where a kernel runs over all at once.</summary>
    public int Block;

    /// <summary>Whether a tile's quantized values lie as [groups, tokens, 32], in place of [groups, 8, tokens, 4].</summary>
    public bool ByToken;

    /// <summary>
    /// Quantized values [positions * columns], a tile after the other, with a scale for every 32; null where no weight wants them.
    /// </summary>
    public sbyte* Quants;

    /// <summary>The same with a scale for every 256.</summary>
    public sbyte* WideQuants;

    /// <summary>Plain values, likewise; null where no weight is floats.</summary>
    public float* Floats;

    /// <summary>
    /// Values likewise, of each pair of columns the odd one first, rounded to bfloat16 unless codes are singles; null where no weight
    /// wants them or the kernels take <see cref="Pairs"/>.
    /// </summary>
    public float* Rounded;

    /// <summary>Pairs of bfloat16 [positions * pairs of columns], likewise; a last column without a partner has a zero.</summary>
    public uint* Pairs;

    /// <summary>With these pairs (or values): sums of 32 columns, or null.</summary>
    public float* Sums;

    /// <summary>The same of 16 columns.</summary>
    public float* HalfSums;

    /// <summary>Notes of each kind of the weight.</summary>
    public fixed long Notes[CpuWeight.MaxKinds];

    public readonly int Columns => Input.Columns;

    /// <summary>All positions.</summary>
    public readonly int Positions => Tiles[TileCount];

    /// <summary>The tile that begins at position <paramref name="first"/>, from a column on: values quantized for this kind.</summary>
    public readonly sbyte* QuantsAt(in IntegerKind kind, int first, int tokens, int column) =>
        (kind.HasWideScale ? WideQuants : Quants) + At(first, tokens, column);

    /// <summary>Floats that go with these panels: plain, or rounded to bfloat16.</summary>
    public readonly float* FloatsAt(FloatPanels panels, int first, int tokens, int column) =>
        (panels is PackedBFloat16s ? Rounded : Floats) + At(first, tokens, column);

    /// <summary>Pairs of bfloat16 from an even column on.</summary>
    public readonly uint* PairsAt(int first, int tokens, int column)
    {
        int start = column - column % Block, width = Math.Min(Block, Columns - start);
        return Pairs + (long)start / 2 * Positions + (long)first * Bfloat16Pairs.Count(width) + (long)(column - start) / 2 * tokens;
    }

    /// <summary>Sums of activations that go with minimums: [groups, parts, tokens].</summary>
    public readonly float* SumsAt(in CodeKind kind, int first, int tokens, int column) => !kind.HasMin ? null
        : (kind.Parts == 1 ? Sums : HalfSums) + At(first, tokens, column) / IntegerPanels.Group * kind.Parts;

    /// <summary>What goes with codes: pairs, or values in the order of <see cref="Bfloat16Pairs.Unpack"/>.</summary>
    public readonly float* CodesAt(in CodeKind kind, int first, int tokens, int column) =>
        kind.IsSingle ? Rounded + At(first, tokens, column) : (float*)PairsAt(first, tokens, column);

    /// <summary>Notes of a kind.</summary>
    public readonly float* NotesAt(int kind, int notesPerGroup, int first, int tokens, int column) =>
        (float*)Notes[kind] + At(first, tokens, column) / IntegerPanels.Group * notesPerGroup;

    /// <summary>The place of a tile's column among all values.</summary>
    private readonly long At(int first, int tokens, int column)
    {
        int start = column - column % Block, width = Math.Min(Block, Columns - start);
        return (long)start * Positions + (long)first * width + (long)(column - start) * tokens;
    }

    private readonly float* Row(int position) => Changed is null
        ? Input.Data + (long)Rows[position] * Input.Stride
        : Changed + (long)position * Columns;

    /// <summary>Arranges a tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Arrange(int tile, ReadOnlySpan<IntegerKind> kinds)
    {
        int first = Tiles[tile], tokens = Tiles[tile + 1] - first;
        for (int t = 0; t < tokens; t++)
        {
            float* x = Row(first + t);
            if (Changed is not null)
                Change(Input.Data + (long)Rows[first + t] * Input.Stride, x, Orders is null ? null : Orders[tile]);
            float* floats = x;
            if (Float is not null)
            {
                floats = Float + (long)(first + t) * Columns;
                float scale = ActivationRounding.Round(Precision, x, floats, Columns, Range);
                if (TokenScales is not null)
                    TokenScales[first + t] = scale;
            }
            (float Scale, float Inverse) ofToken = Precision == ActivationPrecision.Int8Token ? Scale(x, Columns, Range) : default;
            for (int column = 0; column < Columns; column += Block)
            {
                int width = Math.Min(Block, Columns - column);
                if (Floats is not null)
                {
                    float* target = Floats + At(first, tokens, column) + t;
                    for (int i = 0; i < width; i++)
                        target[i * tokens] = floats[column + i];
                }
                if (Quants is not null)
                    Quantize(x + column, first, t, tokens, column, width, kinds, ofToken, isWide: false);
                if (WideQuants is not null)
                    Quantize(x + column, first, t, tokens, column, width, kinds, ofToken, isWide: true);
            }
        }
        if (Rounded is not null && Precision == ActivationPrecision.F32)
            Swap(first, tokens);
        else if (Pairs is not null || Rounded is not null)
            Round(first, tokens);
    }

    /// <summary>Writes singles in the order of their sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Swap(int first, int tokens)
    {
        const int Group = IntegerPanels.Group;
        for (int t = 0; t < tokens; t++)
        {
            float* x = Row(first + t);
            for (int column = 0; column < Columns; column += Group, x += Group)
            {
                float* target = Rounded + At(first, tokens, column) + t;
                for (int i = 0; i < Group; i++)
                    target[i * tokens] = x[i ^ 1];
                StoreSums(
                    SumOf16(Vector256.Load(x), Vector256.Load(x + 8)), SumOf16(Vector256.Load(x + 16), Vector256.Load(x + 24)),
                    At(first, tokens, column) / Group, tokens, t);
            }
        }
    }

    private const int PairsAtOnce = 64;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Change(float* from, float* to, int* order)
    {
        int i = 0;
        if (Rotates)
        {
            new Span<float>(from, Columns).CopyTo(new Span<float>(to, Columns));
            Hadamard.Rotate(new Span<float>(to, Columns));
        }
        for (; order is not null && i < Columns; i++)
            to[i] = from[order[i]];
        if (Rotates || order is not null)
        {
            if (Threshold == 0 && Range == 0)
                return;
            from = to;
            i = 0;
        }
        float most = Range > 0 ? Range : float.PositiveInfinity;
        Vector256<float> threshold = Vector256.Create(Threshold), upper = Vector256.Create(most), lower = -upper;
        for (; i <= Columns - 8; i += 8)
        {
            // A NaN is not below anything, and stays.
            Vector256<float> x = Vector256.Load(from + i);
            x = Vector256.AndNot(x, Vector256.LessThan(Vector256.Abs(x), threshold));
            Vector256.Min(Vector256.Max(x, lower), upper).Store(to + i);
        }
        for (; i < Columns; i++)
            to[i] = Math.Abs(from[i]) < Threshold ? 0 : Math.Clamp(from[i], -most, most);
    }

    // A few columns of all tokens at a time, so that what is written stays in the first-level cache until it is whole.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Round(int first, int tokens)
    {
        const int Vector = 16, AtOnce = 2 * PairsAtOnce;
        uint* pairs = stackalloc uint[Kernels.MaxTokens * PairsAtOnce]; // [tokens, pairs]
        float* last = stackalloc float[Vector];
        for (int column = 0; column < Columns; column += AtOnce)
        {
            int here = Math.Min(AtOnce, Columns - column);
            for (int t = 0; t < tokens; t++)
            {
                float* x = (Float is null ? Row(first + t) : Float + (long)(first + t) * Columns) + column;
                ushort* to = (ushort*)(pairs + t * PairsAtOnce);
                int i = 0;
                for (; i <= here - Vector; i += Vector)
                    Bfloat16Pairs.Round(x + i).Store(to + i);
                if (i == here)
                    continue;
                new Span<float>(last, Vector).Clear();
                new Span<float>(x + i, here - i).CopyTo(new Span<float>(last, Vector));
                Bfloat16Pairs.Round(last).Store(to + i);
            }
            if (Sums is not null || HalfSums is not null)
                Sum(pairs, first, tokens, column, here / IntegerPanels.Group);
            if (Pairs is not null)
                Interleave(pairs, PairsAt(first, tokens, column), tokens, here);
            else
                Widen(pairs, Rounded + At(first, tokens, column), tokens, here);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Interleave(uint* pairs, uint* target, int tokens, int columns)
        {
            for (int i = 0; i < (columns + 1) / 2; i++, pairs++)
            {
                for (int t = 0; t < tokens; t++)
                    *target++ = pairs[t * PairsAtOnce];
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        static void Widen(uint* pairs, float* target, int tokens, int columns)
        {
            for (int i = 0; i < columns; i += 2, pairs++)
            {
                for (int t = 0; t < tokens && i + 1 < columns; t++)
                    *target++ = BitConverter.UInt32BitsToSingle(pairs[t * PairsAtOnce] & 0xFFFF_0000);
                for (int t = 0; t < tokens; t++)
                    *target++ = BitConverter.UInt32BitsToSingle(pairs[t * PairsAtOnce] << 16);
            }
        }
    }

    /// <summary>Sums groups of rounded columns.</summary>
    private readonly void Sum(uint* pairs, int first, int tokens, int column, int groups)
    {
        const int Group = IntegerPanels.Group;
        long at = At(first, tokens, column) / Group;
        for (int t = 0; t < tokens; t++)
        {
            for (int g = 0; g < groups; g++)
            {
                ushort* x = (ushort*)(pairs + t * PairsAtOnce) + g * Group;
                StoreSums(SumOfRounded(x), SumOfRounded(x + Group / 2), at + g * tokens, tokens, t);
            }
        }

        static float SumOfRounded(ushort* x)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(x));
            return SumOf16((low << 16).AsSingle(), (high << 16).AsSingle());
        }
    }

    // As ScalarOps does: every 16 by adding halves.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOf16(Vector256<float> low, Vector256<float> high)
    {
        Vector256<float> eight = low + high;
        Vector128<float> four = eight.GetLower() + eight.GetUpper();
        return (four[0] + four[2]) + (four[1] + four[3]);
    }

    /// <summary>Writes the sums of a token's two halves of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void StoreSums(float low, float high, long group, int tokens, int t)
    {
        if (Sums is not null)
            Sums[group + t] = low + high;
        if (HalfSums is null)
            return;
        float* to = HalfSums + 2 * group + t;
        (to[0], to[tokens]) = (low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Quantize(
        float* x, int first, int t, int tokens, int column, int width, ReadOnlySpan<IntegerKind> kinds,
        (float Scale, float Inverse) ofToken, bool isWide)
    {
        const int Group = IntegerPanels.Group;
        int stride = ByToken ? 1 : tokens, between = ByToken ? Group / 4 * (tokens - 1) : 0;
        int* target = (int*)((isWide ? WideQuants : Quants) + At(first, tokens, column)) + t * (ByToken ? Group / 4 : 1);
        sbyte* quants = stackalloc sbyte[Group];
        float** notes = stackalloc float*[kinds.Length];
        for (int k = 0; k < kinds.Length; k++)
            notes[k] = NotesAt(k, kinds[k].NotesPerGroup, first, tokens, column) + t;
        (float scale, float inverse) = ofToken;
        for (int g = 0; g < width / Group; g++, x += Group)
        {
            if (Precision != ActivationPrecision.Int8Token && (!isWide || g % IntegerPanels.WideGroups == 0))
                (scale, inverse) = Scale(x, isWide ? IntegerPanels.WideGroups * Group : Group);
            Vector256<sbyte> values = Round(x, inverse);
            values.Store(quants);
            for (int j = 0; j < Group / 4; j++, target += stride)
                *target = ((int*)quants)[j];
            target += between;
            int lowSum = Sum(values.GetLower()), highSum = Sum(values.GetUpper());
            for (int k = 0; k < kinds.Length; k++)
            {
                IntegerKind kind = kinds[k];
                if (kind.HasWideScale != isWide)
                    continue;
                float* note = notes[k];
                notes[k] += kind.NotesPerGroup * tokens;
                note[0] = scale;
                int* starts = (int*)note + tokens;
                float* sums = note + (1 + kind.Parts) * tokens;
                if (kind.Parts == 1)
                {
                    starts[0] = Kernels.Magic - kind.Offset * (lowSum + highSum);
                    if (kind.HasMin)
                        sums[0] = lowSum + highSum;
                    continue;
                }
                starts[0] = Kernels.Magic - kind.Offset * lowSum;
                starts[tokens] = Kernels.Magic - kind.Offset * highSum;
                if (kind.HasMin)
                {
                    sums[0] = lowSum;
                    sums[tokens] = highSum;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Sum(Vector128<sbyte> values)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(values);
        return Vector128.Sum(low + high); // 16 * 127 fits in 16 bits
    }

    /// <summary>The scale of values as integers, and what to multiply them with; see <see cref="ScalarOps"/>, which defines this.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Scale, float Inverse) Scale(float* x, int count, float range = 0)
    {
        float scale = ActivationRounding.Largest(x, count, range) / 127;
        return float.IsNormal(scale) ? (scale, 1 / scale) : (float.IsFinite(scale) ? 0 : float.NaN, float.NaN);
    }

    /// <summary>32 values as integers: all 0 where there is no inverse.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Round(float* x, float inverse)
    {
        if (float.IsNaN(inverse))
            return Vector256<sbyte>.Zero;
        Vector256<float> factor = Vector256.Create(inverse);
        Vector256<short> low = Vector256.Narrow(Round(x, factor), Round(x + 8, factor));
        Vector256<short> high = Vector256.Narrow(Round(x + 16, factor), Round(x + 24, factor));
        return Vector256.Narrow(low, high);
    }

    // Adding 1.5 * 2^23 leaves no bits for a fraction: the sum is rounded to nearest, ties to even, and its low bits are the integer.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Round(float* x, Vector256<float> inverse)
    {
        Vector256<float> magic = Vector256.Create(12582912f);
        return ((Vector256.Load(x) * inverse) + magic).AsInt32() - magic.AsInt32();
    }
}
