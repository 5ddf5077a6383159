using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// How an integer format is packed into panels: codes of some bits, or of 4 bits that choose a level, and a way of storing
/// scales. A format that is not listed here is read as it is stored, block by block, which is slower; those with code books
/// have <see cref="PackedPoints"/>.
/// </summary>
/// <param name="Bits">Bits of a code.</param>
/// <param name="HasLevels">Whether codes of 4 bits choose one of 16 uneven levels.</param>
/// <param name="Scales">The scales and minimums.</param>
internal sealed record IntegerLayout(int Bits, bool HasLevels, ScaleLayout Scales)
{
    public static IntegerLayout? Find(IntegerFormat format) => format.Type switch
    {
        _ when format is GroupedFormat grouped => new(format.Bits, false, new GroupScales(grouped)),
        _ when format is ScaledNVFP4 scaled => new(4, true, new ScaledByteScales(scaled)),
        TensorType.Q4_0 or TensorType.Q4_1 or TensorType.Q5_0 or TensorType.Q5_1 or TensorType.Q8_0 or TensorType.Q8_1
            or TensorType.TQ2_0 or TensorType.Q2_0 => new(format.Bits, false, new HalfScales(format)),
        // Of 3 possible integers, hence 2 bits, although their files have 1.6 and (as there is no 0) 1.
        TensorType.TQ1_0 or TensorType.Q1_0 => new(format.Bits, false, new HalfScales(format)),
        TensorType.Q4_K or TensorType.Q5_K => new(format.Bits, false, new SuperScales(format, scaleAt: 0, minAt: 2)),
        TensorType.Q3_K => new(format.Bits, false, new SuperScales(format, scaleAt: 108)),
        TensorType.Q6_K => new(format.Bits, false, new SuperScales(format, scaleAt: 208)),
        TensorType.Q2_K => new(format.Bits, false, new NibbleScales(format, scaleAt: 80, minAt: 82)),
        TensorType.IQ4_NL => new(4, true, new HalfScales(format)),
        TensorType.IQ4_XS => new(4, true, new SuperScales(format, scaleAt: 0)),
        TensorType.MXFP4 or TensorType.NVFP4 => new(4, true, new ByteScales(format)),
        _ => null,
    };
}
