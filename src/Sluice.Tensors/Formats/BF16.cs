using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>bfloat16: the upper half of a single (1 sign, 8 exponent and 7 fraction bits), little-endian.</summary>
internal sealed class BF16 : WeightFormat
{
    public override TensorType Type => TensorType.BF16;

    public override int BlockSize => 1;

    public override int BlockBytes => 2;

    public override bool CanQuantize => true;

    public override float LargestMagnitude => 3.3895314e38f;

    public override void Dequantize(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        CountBlocks(blocks.Length, values.Length);
        ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(blocks);
        int i = 0;
        for (; i <= halves.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(halves[i..]), out Vector<uint> low, out Vector<uint> high);
            Vector.AsVectorSingle(low << 16).CopyTo(values[i..]);
            Vector.AsVectorSingle(high << 16).CopyTo(values[(i + Vector<uint>.Count)..]);
        }
        for (; i < halves.Length; i++)
            values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
    }

    /// <summary>Rounds to the nearest bfloat16, ties to even; a NaN stays one (quiet).</summary>
    public override void Quantize(ReadOnlySpan<float> values, Span<byte> blocks, ReadOnlySpan<float> importance = default)
    {
        CountBlocks(blocks.Length, values.Length, importance.Length);
        Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(blocks);
        for (int i = 0; i < halves.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(values[i]);
            uint rounded = float.IsNaN(values[i]) ? bits | 0x0040_0000 : bits + 0x7FFF + ((bits >> 16) & 1);
            halves[i] = (ushort)(rounded >> 16);
        }
    }
}
