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
}
