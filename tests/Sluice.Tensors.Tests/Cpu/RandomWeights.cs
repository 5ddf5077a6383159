using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Weights of any format with random bits in every field, except for halves that are scales, which stay finite.</summary>
internal static class RandomWeights
{
    public static byte[] Bytes(WeightFormat format, int columns, int rows, Random random)
    {
        byte[] bytes = new byte[format.Bytes((long)columns * rows)];
        Span<float> values = new float[format.BlockSize];
        for (int i = 0; i < bytes.Length; i += format.BlockBytes)
        {
            Span<byte> block = bytes.AsSpan(i, format.BlockBytes);
            do
            {
                random.NextBytes(block);
                format.Dequantize(block, values);
            }
            while (!IsReasonable(values));
        }
        return bytes;
    }

    public static WeightData Data(WeightFormat format, int columns, int rows, Random random, int experts = 1) => WeightData.FromBytes(
        $"{format.Name} [{columns}, {rows}, {experts}]", format, columns, rows, experts, Bytes(format, columns, rows * experts, random));

    private static bool IsReasonable(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!(Math.Abs(value) < 1e6f))
                return false;
        }
        return true;
    }
}
