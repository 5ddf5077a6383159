using Sluice.Tensors.Formats;

namespace Sluice.Cli.Synthesis;

/// <summary>Random bytes that are weights of a format, of a size that a model can have.</summary>
internal static class RandomWeights
{
    private const int Distinct = 256;
    private const float Largest = 0.25f, Smallest = 1e-4f;

    /// <summary>
    /// Whole blocks that fill at most this many bytes: random ones whose values are all finite and small, so that nothing
    /// overflows on its way through the layers.
    /// </summary>
    public static byte[] Make(WeightFormat format, int bytes)
    {
        Random random = new(1);
        byte[] pool = new byte[Distinct * format.BlockBytes], block = new byte[format.BlockBytes];
        float[] values = new float[format.BlockSize];
        for (int filled = 0; filled < pool.Length;)
        {
            random.NextBytes(block);
            format.Dequantize(block, values);
            float max = 0;
            foreach (float value in values)
                max = float.IsFinite(value) ? Math.Max(max, Math.Abs(value)) : float.PositiveInfinity;
            if (max is < Smallest or > Largest)
                continue;
            block.CopyTo(pool, filled);
            filled += block.Length;
        }

        byte[] result = new byte[bytes / block.Length * block.Length];
        for (int offset = 0; offset < result.Length; offset += block.Length)
            pool.AsSpan(random.Next(Distinct) * block.Length, block.Length).CopyTo(result.AsSpan(offset));
        return result;
    }
}
