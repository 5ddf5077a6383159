using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// The experts of GPT-oss as OpenAI published them. Their tensors are not those of linear maps, and are read by <see cref="FusedExperts"/>,
/// with or without this; everything else is plain.
/// </summary>
internal sealed class Mxfp4 : QuantizedLayout
{
    public Mxfp4(JsonFile config) => RefuseOthers(config, "quant_method", "modules_to_not_convert", "dequantize");

    protected override IReadOnlyList<string> Suffixes => [];

    protected override bool IsQuantized(QuantizedModule module) => false;

    protected override TensorInfo Read(QuantizedModule module) => throw module.Error("weight", "is stored in no way of this method");

    /// <summary>Joins codes that are neighbours in a byte, the first in the low bits, and exponents to blocks, in which codes 16 apart share one.</summary>
    /// <param name="codes">Two a byte.</param>
    /// <param name="exponents">One for 32 of them.</param>
    /// <param name="blocks">As many blocks of MXFP4, written.</param>
    public static void Join(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> exponents, Span<byte> blocks)
    {
        const int Half = 16;
        int size = WeightFormats.Get(TensorType.MXFP4).BlockBytes;
        foreach (byte exponent in exponents)
        {
            blocks[0] = exponent;
            for (int i = 0; i < Half; i++)
                blocks[1 + i] = (byte)(Code(codes, i) | (Code(codes, i + Half) << 4));
            codes = codes[Half..];
            blocks = blocks[size..];
        }

        static int Code(ReadOnlySpan<byte> codes, int i) => (codes[i / 2] >> (i % 2 * 4)) & 15;
    }
}
