using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
    private int Middle => bits == 4 && !hasMin ? 8 : 0;

    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override int TileBytes(int dimension) =>
        ((Width(dimension) + (Groups(dimension) * sizeof(ushort) * (hasMin ? 2 : 1))) * BlockSize + 63) & ~63;

    internal override void WriteKey(ReadOnlySpan<float> row, byte* tile, int slot) => Write(row, tile, slot, BlockSize, 1);

    internal override void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot) => Write(row, tile, slot, 1, Width(row.Length));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override float* ReadKeys(byte* tile, int dimension, float* buffer)
    {
        float* to = buffer;
        ushort* scales = (ushort*)(tile + Width(dimension) * BlockSize), mins = scales + Groups(dimension) * BlockSize;
        float* scale = stackalloc float[BlockSize], min = stackalloc float[BlockSize];
        for (int start = 0; start < dimension; start += Group, scales += BlockSize, mins += BlockSize)
        {
            int count = Math.Min(Group, dimension - start), rows = Width(count);
            Halves.ReadF16(scales, scale, BlockSize);
            if (hasMin)
                Halves.ReadF16(mins, min, BlockSize);
            for (int i = 0; i < rows; i++, tile += BlockSize)
            {
                for (int part = 0; part < PerByte && (part * rows) + i < count; part++)
                {
                    float* values = to + ((part * rows) + i) * BlockSize;
                    for (int slot = 0; slot < BlockSize; slot += 16)
                        Decode(tile + slot, part, scale + slot, min + slot, values + slot);
                }
            }
            to += count * BlockSize;
        }
        return buffer;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override float* ReadValues(byte* tile, int dimension, int slots, float* buffer)
    {
        int groups = Groups(dimension), width = Width(dimension);
        ushort* scales = (ushort*)(tile + width * BlockSize), mins = scales + groups * BlockSize;
        float* scale = stackalloc float[16], min = stackalloc float[16];
        byte* codes = stackalloc byte[Group];
        float* decoded = stackalloc float[16];
        for (int slot = 0; slot < slots; slot++, tile += width)
        {
            byte* row = tile;
            float* to = buffer + (long)slot * dimension;
            for (int g = 0; g < groups; g++)
            {
                int count = Math.Min(Group, dimension - (g * Group)), rows = Width(count);
                new Span<float>(scale, 16).Fill((float)BitConverter.UInt16BitsToHalf(scales[slot * groups + g]));
                if (hasMin)
                    new Span<float>(min, 16).Fill((float)BitConverter.UInt16BitsToHalf(mins[slot * groups + g]));
                byte* from = row;
                if (rows % 16 != 0)
                {
                    // A row's last group may be shorter, and what follows it is another row's.
                    Buffer.MemoryCopy(row, codes, Group, rows);
                    from = codes;
                }
                for (int part = 0; part < PerByte; part++)
                {
                    int end = Math.Min(rows, count - (part * rows));
                    for (int i = 0; i < end; i += 16)
                    {
                        bool isWhole = end - i >= 16;
                        Decode(from + i, part, scale, min, isWhole ? to + i : decoded);
                        if (!isWhole)
                            new Span<float>(decoded, end - i).CopyTo(new Span<float>(to + i, end - i));
                    }
                    to += end;
                }
                row += rows;
            }
        }
        return buffer;
    }

    private static int Groups(int dimension) => (dimension + Group - 1) / Group;

    /// <summary>Bytes of so many codes of a row.</summary>
    private int Width(int dimension) => (dimension + PerByte - 1) / PerByte;

    /// <summary>16 values, of the low or the high 4 bits if codes have so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Decode(byte* codes, int part, float* scale, float* min, float* to)
    {
        Vector128<byte> bytes = Vector128.Load(codes);
        if (bits == 4)
            bytes = (part == 0 ? bytes & Vector128.Create((byte)15) : bytes >>> 4) - Vector128.Create((byte)Middle);
        (Vector256<float> low, Vector256<float> high) = ScaleLayout.BytesToSingles(bytes.AsSByte());
        low *= Vector256.Load(scale);
        high *= Vector256.Load(scale + 8);
        if (hasMin)
            (low, high) = (low + Vector256.Load(min), high + Vector256.Load(min + 8));
        low.Store(to);
        high.Store(to + 8);
    }

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
}
