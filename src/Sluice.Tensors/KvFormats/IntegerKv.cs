using System.Runtime.CompilerServices;
using Sluice.Tensors.Cpu;

namespace Sluice.Tensors.KvFormats;

/// <summary>
/// Rows of small integers with a half for every 32 values of a row, their scale, and perhaps another, their minimum: as GGUF's types of the
/// same names round weights. A key tile is
/// <code>
/// codes   [dimension][slot]   bytes; or [dimension / 2][slot], of 4 bits: a group's first half of values low, its second half high
/// scales  [groups][slot]      halves
/// mins    [groups][slot]      halves, if there are any
/// </code>
/// and a value tile the same with slots first.
/// </summary>
/// <param name="name">The name.</param>
/// <param name="bits">4 or 8.</param>
/// <param name="hasMin">Whether codes count from a minimum (4 bits only), and not from the middle.</param>
public sealed unsafe class IntegerKv(string name, int bits, bool hasMin = false) : KvFormat
{
    private const int Group = 32;

    private int PerByte => 8 / bits;

    // What is subtracted from a code to have the integer.
    private int Middle => bits == 4 && !hasMin ? Four.Middle : 0;

    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override int TileBytes(int dimension) =>
        ((Width(dimension) + (Groups(dimension) * sizeof(ushort) * (hasMin ? 2 : 1))) * BlockSize + 63) & ~63;

    internal override void WriteKey(ReadOnlySpan<float> row, byte* tile, int slot) => Write(row, tile, slot, BlockSize, 1);

    internal override void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot) => Write(row, tile, slot, 1, Width(row.Length));

    internal override float* ReadKeys(byte* tile, int dimension, float* buffer)
    {
        if (bits == 8)
            ReadKeys<Eight>(tile, dimension, buffer);
        else if (hasMin)
            ReadKeys<FourWithMin>(tile, dimension, buffer);
        else
            ReadKeys<Four>(tile, dimension, buffer);
        return buffer;
    }

    internal override float* ReadValues(byte* tile, int dimension, int slots, float* buffer)
    {
        if (bits == 8)
            ReadValues<Eight>(tile, dimension, slots, buffer);
        else if (hasMin)
            ReadValues<FourWithMin>(tile, dimension, slots, buffer);
        else
            ReadValues<Four>(tile, dimension, slots, buffer);
        return buffer;
    }

    private void ReadKeys<C>(byte* tile, int dimension, float* to)
        where C : struct, ICode
    {
        ushort* scales = (ushort*)(tile + Width(dimension) * BlockSize), mins = scales + Groups(dimension) * BlockSize;
        float* scale = stackalloc float[BlockSize], min = stackalloc float[BlockSize];
        for (int start = 0; start < dimension; start += Group, scales += BlockSize, mins += BlockSize)
        {
            int count = Math.Min(Group, dimension - start), rows = Width(count);
            Halves.ReadF16(scales, scale, BlockSize);
            if (C.HasMin)
                Halves.ReadF16(mins, min, BlockSize);
            for (int part = 0; part < PerByte; part++)
                Traverse.Run(new Side<C>(tile, part, scale, min, to + part * rows * BlockSize), Math.Min(rows, count - part * rows) * BlockSize);
            tile += rows * BlockSize;
            to += count * BlockSize;
        }
    }

    private void ReadValues<C>(byte* tile, int dimension, int slots, float* to)
        where C : struct, ICode
    {
        int groups = Groups(dimension), width = Width(dimension), rest = dimension % Group;
        ushort* scales = (ushort*)(tile + width * BlockSize), mins = scales + groups * BlockSize;
        float* scale = stackalloc float[slots * groups], min = stackalloc float[C.HasMin ? slots * groups : 0];
        Halves.ReadF16(scales, scale, slots * groups);
        if (C.HasMin)
            Halves.ReadF16(mins, min, slots * groups);
        if (rest == 0)
        {
            Traverse.Run(new WholeGroups<C>(tile, scale, min, to), slots * dimension);
            return;
        }
        float* restScale = stackalloc float[BlockSize], restMin = stackalloc float[BlockSize];
        for (int slot = 0; slot < slots; slot++, tile += width, to += dimension, scale += groups, min += C.HasMin ? groups : 0)
        {
            int whole = dimension - rest, rows = Width(rest);
            Traverse.Run(new WholeGroups<C>(tile, scale, min, to), whole);
            new Span<float>(restScale, BlockSize).Fill(scale[groups - 1]);
            if (C.HasMin)
                new Span<float>(restMin, BlockSize).Fill(min[groups - 1]);
            for (int part = 0; part < PerByte; part++)
            {
                Side<C> step = new(tile + whole / PerByte, part, restScale, restMin, to + whole + part * rows);
                Traverse.Run(step, Math.Min(rows, rest - part * rows));
            }
        }
    }

    private static int Groups(int dimension) => (dimension + Group - 1) / Group;

    /// <summary>Bytes of so many codes of a row.</summary>
    private int Width(int dimension) => (dimension + PerByte - 1) / PerByte;

    /// <summary>Packs a row: codes <paramref name="step"/> bytes apart from one another, the rows of slots <paramref name="slotStep"/> bytes.</summary>
    private void Write(ReadOnlySpan<float> row, byte* tile, int slot, int step, int slotStep)
    {
        int groups = Groups(row.Length);
        bool isKey = step == BlockSize;
        byte* to = tile + slot * slotStep;
        ushort* scales = (ushort*)(tile + Width(row.Length) * BlockSize), mins = scales + groups * BlockSize;
        byte* codes = stackalloc byte[Group];
        for (int g = 0; g < groups; g++)
        {
            ReadOnlySpan<float> values = row.Slice(g * Group, Math.Min(Group, row.Length - g * Group));
            int rows = Width(values.Length), at = isKey ? g * BlockSize + slot : slot * groups + g;
            (Half scale, Half min) = Round(values, codes);
            scales[at] = BitConverter.HalfToUInt16Bits(scale);
            if (hasMin)
                mins[at] = BitConverter.HalfToUInt16Bits(min);
            for (int i = 0; i < rows; i++, to += step)
                *to = (byte)(bits == 8 || i + rows >= values.Length ? codes[i] : codes[i] | (codes[i + rows] << 4));
        }
    }

    /// <summary>Finds a group's scale (and minimum), and rounds its values to codes.</summary>
    private (Half Scale, Half Min) Round(ReadOnlySpan<float> values, byte* codes)
    {
        float low = values[0], high = values[0];
        foreach (float value in values)
            (low, high) = (MathF.Min(low, value), MathF.Max(high, value));
        // Of signed codes the lowest of 4 bits has no opposite, so the value of the largest magnitude gets it.
        Half scale = (Half)(hasMin ? (high - low) / 15 : bits == 8 ? MathF.Max(high, -low) / 127 : (high > -low ? high : low) / -8);
        Half min = (Half)(hasMin ? low : 0);
        float inverse = scale == Half.Zero ? 0 : 1 / (float)scale, origin = hasMin ? (float)min : 0;
        (int lowest, int highest) = bits == 8 ? (-127, 127) : (0, 15);
        for (int i = 0; i < values.Length; i++)
            codes[i] = (byte)(sbyte)Math.Clamp((int)MathF.Round((values[i] - origin) * inverse) + Middle, lowest, highest);
        return (scale, min);
    }

    /// <summary>What is known of codes when their loops are compiled.</summary>
    private interface ICode
    {
        static abstract int Bits { get; }

        static abstract int Middle { get; }

        static abstract bool HasMin { get; }
    }

    private struct Eight : ICode
    {
        public static int Bits => 8;

        public static int Middle => 0;

        public static bool HasMin => false;
    }

    private struct Four : ICode
    {
        public static int Bits => 4;

        public static int Middle => 8;

        public static bool HasMin => false;
    }

    private struct FourWithMin : ICode
    {
        public static int Bits => 4;

        public static int Middle => 0;

        public static bool HasMin => true;
    }

    /// <summary>Codes of the low or of the high bits of their bytes, whose scales repeat after <see cref="KvFormat.BlockSize"/>.</summary>
    private readonly struct Side<C>(byte* codes, int part, float* scales, float* mins, float* to) : IStep
        where C : struct, ICode
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            int slot = i % BlockSize;
            S.Store(to + i, Decode<C, S, V>(codes + i, part != 0, S.Load(scales + slot), C.HasMin ? S.Load(mins + slot) : default));
        }
    }

    /// <summary>Groups one after another, each with a scale.</summary>
    private readonly struct WholeGroups<C>(byte* codes, float* scales, float* mins, float* to) : IStep
        where C : struct, ICode
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            int group = i / Group, half = Group / 2;
            byte* from = codes + (C.Bits == 8 ? i : group * half + i % half);
            S.Store(to + i, Decode<C, S, V>(from, i % Group >= half, S.Create(scales[group]), C.HasMin ? S.Create(mins[group]) : default));
        }
    }

    /// <summary>The values of as many codes as a vector holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Decode<C, S, V>(byte* codes, bool isHigh, V scale, V min)
        where C : struct, ICode
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        V integers = S.LoadInt8((sbyte*)codes);
        if (C.Bits == 4)
            integers = S.And(isHigh ? S.ShiftRight(integers, 4) : integers, S.CreateBits(15));
        // Added to the bits of 1.5 * 2^23 they make it that much larger, exactly.
        V value = S.Multiply(S.Subtract(S.AddBits(integers, S.CreateBits(0x4B40_0000)), S.Create(12582912f + C.Middle)), scale);
        return C.HasMin ? S.Add(value, min) : value;
    }
}
