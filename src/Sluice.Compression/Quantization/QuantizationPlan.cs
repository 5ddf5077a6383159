using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>Which type every tensor of a model gets.</summary>
public sealed class QuantizationPlan
{
    // What is small and decides much, or is looked up rather than multiplied; by parts of names.
    private static readonly string[] Kept =
    [
        "_norm.weight", "ffn_gate_inp", "position_embd", "token_types", "attn_rel_b", "ssm_conv1d", "shortconv.conv", "time_mix_",
        "altup", "laurel", "per_layer_model_proj", "ssm_a", "ssm_d",
    ];

    private QuantizationPlan(ModelFile file, QuantizationOptions options, IReadOnlyList<TensorPlan> tensors) =>
        (File, Options, Tensors) = (file, options, tensors);

    /// <summary>The model.</summary>
    public ModelFile File { get; }

    /// <summary>What was asked for.</summary>
    public QuantizationOptions Options { get; }

    /// <summary>The tensors, in the file's order.</summary>
    public IReadOnlyList<TensorPlan> Tensors { get; }

    /// <summary>Bytes of all tensors.</summary>
    public long Bytes => Tensors.Sum(tensor => tensor.Bytes);

    /// <summary>Matrices to be quantized of which the importance matrix says nothing.</summary>
    public IEnumerable<TensorPlan> WithoutImportance => Tensors.Where(
        plan => plan.IsConverted && plan.Format!.BlockSize > 1 && Options.Importance?.Find(plan.Tensor) is null);

    /// <summary>Chooses types.</summary>
    /// <exception cref="InvalidOperationException">A tensor is quantized already and the options do not allow it again.</exception>
    /// <exception cref="NotSupportedException">A type cannot be written.</exception>
    public static QuantizationPlan Make(ModelFile file, QuantizationOptions options)
    {
        ModelShape shape = Shape(file, options.Importance is not null);
        List<TensorPlan> plans = [];
        foreach (TensorInfo tensor in file.Tensors.Values)
            plans.Add(Plan(tensor, options, shape));
        return Checked(file, options, plans);
    }

    /// <summary>The same plan with other types for some tensors.</summary>
    /// <param name="formats">By the tensors' names.</param>
    /// <exception cref="InvalidOperationException">As of <see cref="Make"/>.</exception>
    /// <exception cref="NotSupportedException">Likewise.</exception>
    public QuantizationPlan With(IReadOnlyDictionary<string, WeightFormat> formats) => Checked(
        File, Options,
        [.. Tensors.Select(plan => formats.TryGetValue(plan.Tensor.Name, out WeightFormat? format) ? plan with { Format = format, Unfit = null } : plan)]);

    /// <summary>The same plan with an importance matrix, which may be filled later.</summary>
    public QuantizationPlan With(ImportanceMatrix importance) => new(File, Options with { Importance = importance }, Tensors);

    private static QuantizationPlan Checked(ModelFile file, QuantizationOptions options, IReadOnlyList<TensorPlan> plans)
    {
        foreach (TensorPlan plan in plans.Where(plan => plan.IsConverted))
        {
            TensorInfo tensor = plan.Tensor;
            if (!plan.Format!.CanQuantize)
                throw new NotSupportedException($"{plan.Format.Name} can be read but not written (tensor '{tensor.Name}').");
            if (WeightFormats.Get(tensor.Type).BlockSize > 1 && !options.MayRequantize)
            {
                throw new InvalidOperationException(
                    $"{file.Path} is quantized already: tensor '{tensor.Name}' is {tensor.TypeName}. Quantizing again adds error to error; --requantize does it all the same.");
            }
        }
        return new QuantizationPlan(file, options, plans);
    }

    private static TensorPlan Plan(TensorInfo tensor, QuantizationOptions options, ModelShape shape)
    {
        if (WeightFormats.Find(tensor.Type) is not { } stored)
            return new TensorPlan(tensor, null) { IsKept = true };
        if (tensor.Shape.Count(length => length > 1) < 2 || tensor.Name.Contains("ffn_gate_inp", StringComparison.Ordinal))
            return new TensorPlan(tensor, stored.BlockSize == 1 ? WeightFormats.Get(TensorType.F32) : stored) { IsKept = true };
        if (!tensor.Name.EndsWith(".weight", StringComparison.Ordinal) || Kept.Any(part => tensor.Name.Contains(part, StringComparison.Ordinal)))
            return new TensorPlan(tensor, stored) { IsKept = true };
        TensorPlace place = TensorPlace.Of(tensor.Name, shape);
        TensorType? own = Own(tensor.Name, place, options);
        WeightFormat wanted = WeightFormats.Get(own ?? (options.IsPure ? options.Mix.Base : options.Mix.Choose(place)));
        WeightFormat fit = TypeMix.Fit(wanted, tensor.Shape[0]);
        return new TensorPlan(tensor, fit, fit == wanted ? null : wanted) { IsFree = own is null };
    }

    /// <summary>The type that an option gives a tensor.</summary>
    private static TensorType? Own(string name, in TensorPlace place, QuantizationOptions options)
    {
        foreach ((var pattern, TensorType type) in options.TensorTypes)
        {
            if (pattern.IsMatch(name))
                return type;
        }
        return (place.Part == "output" ? options.OutputType : null) ?? (name == "token_embd.weight" ? options.EmbeddingType : null);
    }

    private static ModelShape Shape(ModelFile file, bool hasImportance)
    {
        Metadata metadata = file.Metadata;
        string prefix = file.Architecture + ".";
        int layers = metadata.GetInt32(prefix + "block_count");
        int experts = metadata.GetInt32(prefix + "expert_count", 0);
        return new ModelShape(layers, HeadsPerGroup(metadata, prefix), experts, !file.Tensors.ContainsKey("output.weight"), hasImportance);
    }

    // Head counts may differ from layer to layer; then the first of each counts.
    private static int HeadsPerGroup(Metadata metadata, string prefix)
    {
        int heads = First("attention.head_count"), kvHeads = First("attention.head_count_kv");
        return kvHeads > 0 ? heads / kvHeads : 1;

        int First(string key)
        {
            if (!metadata.TryGet(prefix + key, out MetadataValue? value))
                return 0;
            return value.Array is null ? metadata.GetInt32(prefix + key) : metadata.GetInt32Array(prefix + key).FirstOrDefault(count => count > 0);
        }
    }
}
