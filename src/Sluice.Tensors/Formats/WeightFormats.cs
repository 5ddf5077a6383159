namespace Sluice.Tensors.Formats;

/// <summary>The list of weight formats. A new format is a file beside this one and a line here.</summary>
public static class WeightFormats
{
    /// <summary>Every format of GGUF.</summary>
    public static IReadOnlyList<WeightFormat> All { get; } =
    [
        new F32(), new F16(), new BF16(),
        new Q1_0(), new Q2_0(), new Q4_0(), new Q4_1(), new Q5_0(), new Q5_1(), new Q8_0(), new Q8_1(),
        new Q2_K(), new Q3_K(), new Q4_K(), new Q5_K(), new Q6_K(), new Q8_K(),
        new IQ1_S(), new IQ1_M(),
        new IQ2_XXS(), new IQ2_XS(), new IQ2_S(),
        new IQ3_XXS(), new IQ3_S(),
        new IQ4_NL(), new IQ4_XS(),
        new TQ1_0(), new TQ2_0(), new MXFP4(), new NVFP4(),
    ];

    /// <summary>
    /// What tensors of others' checkpoints (GPTQ, AWQ, compressed-tensors, FP8, bitsandbytes) become when they are opened. Their types
    /// are numbers from <see cref="FirstOwnType"/> on, which GGUF does not have.
    /// </summary>
    public static IReadOnlyList<WeightFormat> OfCheckpoints { get; } = [.. GroupedFormat.All, .. ScaledFloats.All, .. ScaledNVFP4.All];

    /// <summary>The first type of our own.</summary>
    internal const TensorType FirstOwnType = (TensorType)4096;

    private static readonly Dictionary<TensorType, WeightFormat> ByType =
        All.Concat(OfCheckpoints).ToDictionary(format => format.Type);

    /// <summary>The format of a tensor type, or null where it is none (integers, F64, unknown numbers).</summary>
    public static WeightFormat? Find(TensorType type) => ByType.GetValueOrDefault(type);

    /// <summary>The format of a tensor type.</summary>
    /// <exception cref="NotSupportedException">The type is no weight format.</exception>
    public static WeightFormat Get(TensorType type) =>
        Find(type) ?? throw new NotSupportedException($"Tensor type {type} ({(uint)type}) is no known weight format.");

    /// <summary>The name of a tensor type, which may be none of a weight format.</summary>
    public static string NameOf(TensorType type) => Find(type)?.Name ?? type.ToString();

    /// <summary>The format of a name, whatever its case, as in <c>q4_k</c>.</summary>
    /// <exception cref="ArgumentException">There is no format of that name.</exception>
    public static WeightFormat Get(string name) =>
        ByType.Values.FirstOrDefault(format => format.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException(
            $"There is no weight format '{name}'; there are {string.Join(", ", All.Select(f => f.Name))}.", nameof(name));
}
