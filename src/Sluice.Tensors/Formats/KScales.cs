namespace Sluice.Tensors.Formats;

/// <summary>
/// The 8 scales and 8 minimums of 6 bits that Q4_K and Q5_K pack into 12 bytes.
/// <code>
/// byte 0-3   | scale 4+i, bits 4-5 | scale i, bits 0-5 |
///      4-7   | min   4+i, bits 4-5 | min   i, bits 0-5 |
///      8-11  | min 4+i, bits 0-3   | scale 4+i, bits 0-3 |
/// </code>
/// </summary>
internal static class KScales
{
    /// <summary>Bytes that the 16 numbers take.</summary>
    public const int Bytes = 12;

    /// <summary>The largest of them.</summary>
    public const int Highest = 63;

    /// <summary>Reads the header of a Q4_K or Q5_K block (d, dmin, packed scales) into a scale and a minimum per group.</summary>
    public static void Decompose(ReadOnlySpan<byte> block, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0), dmin = Fields.Half(block, 2);
        ReadOnlySpan<byte> packed = block.Slice(4, Bytes);
        for (int i = 0; i < 4; i++)
        {
            scales[i] = d * (packed[i] & 63);
            mins[i] = -(dmin * (packed[i + 4] & 63));
            scales[i + 4] = d * ((packed[i + 8] & 15) | (packed[i] >> 6 << 4));
            mins[i + 4] = -(dmin * ((packed[i + 8] >> 4) | (packed[i + 4] >> 6 << 4)));
        }
    }

    /// <summary>Packs 8 scales and 8 minimums, each below 64.</summary>
    public static void Pack(ReadOnlySpan<byte> scales, ReadOnlySpan<byte> mins, Span<byte> packed)
    {
        for (int i = 0; i < 4; i++)
        {
            packed[i] = (byte)(scales[i] | (scales[i + 4] >> 4 << 6));
            packed[i + 4] = (byte)(mins[i] | (mins[i + 4] >> 4 << 6));
            packed[i + 8] = (byte)((scales[i + 4] & 15) | (mins[i + 4] << 4));
        }
    }
}
