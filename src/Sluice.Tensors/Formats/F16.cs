using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>IEEE 754 half precision, little-endian: 1 sign, 5 exponent and 10 fraction bits.</summary>
internal sealed class F16 : WeightFormat
{
    public override TensorType Type => TensorType.F16;

    public override int BlockSize => 1;

    public override int BlockBytes => 2;

    public override bool CanQuantize => true;

    public override void Dequantize(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        CountBlocks(blocks.Length, values.Length);
        ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(blocks);
        int i = 0;
        for (; i <= halves.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(halves[i..]), out Vector<uint> low, out Vector<uint> high);
            ToSingle(low).CopyTo(values[i..]);
            ToSingle(high).CopyTo(values[(i + Vector<uint>.Count)..]);
        }
        for (; i < halves.Length; i++)
            values[i] = (float)BitConverter.UInt16BitsToHalf(halves[i]);
    }

    /// <summary>Rounds to the nearest half, ties to even; beyond 65504 lies infinity.</summary>
    public override void Quantize(ReadOnlySpan<float> values, Span<byte> blocks, ReadOnlySpan<float> importance = default)
    {
        CountBlocks(blocks.Length, values.Length, importance.Length);
        Span<Half> halves = MemoryMarshal.Cast<byte, Half>(blocks);
        for (int i = 0; i < halves.Length; i++)
            halves[i] = (Half)values[i];
    }

    private const float TwoTo112 = 5.1922968585348276e33f;

    // Moved to where a single keeps them, a half's exponent and fraction mean 2^-112 times its value, subnormals
    // included, so one exact multiplication converts both. Infinity and NaN need the highest exponent instead.
    private static Vector<float> ToSingle(Vector<uint> halves)
    {
        Vector<uint> magnitude = (halves & new Vector<uint>(0x7FFF)) << 13;
        Vector<uint> finite = Vector.AsVectorUInt32(Vector.AsVectorSingle(magnitude) * new Vector<float>(TwoTo112));
        Vector<uint> special = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7C00 << 13));
        Vector<uint> bits = Vector.ConditionalSelect(special, magnitude | new Vector<uint>(0x7F800000), finite);
        return Vector.AsVectorSingle(bits | ((halves & new Vector<uint>(0x8000)) << 16));
    }
}
