using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>Plain IEEE 754 single precision, little-endian.</summary>
internal sealed class F32 : WeightFormat
{
    public override TensorType Type => TensorType.F32;

    public override int BlockSize => 1;

    public override int BlockBytes => 4;

    public override bool CanQuantize => true;

    public override float LargestMagnitude => float.MaxValue;

    public override void Dequantize(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        CountBlocks(blocks.Length, values.Length);
        blocks.CopyTo(MemoryMarshal.AsBytes(values));
    }

    public override void Quantize(ReadOnlySpan<float> values, Span<byte> blocks, ReadOnlySpan<float> importance = default)
    {
        CountBlocks(blocks.Length, values.Length, importance.Length);
        MemoryMarshal.AsBytes(values).CopyTo(blocks);
    }
}
