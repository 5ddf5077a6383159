using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// What a quantized model is called by: a type that most tensors get, and the rules by which some get another, as the field's quantizers
/// choose them (llama.cpp's names and choices, so that files compare). <see cref="TypeMixes"/> lists them.
/// </summary>
/// <param name="Name">The name: <c>Q4_K_M</c>.</param>
/// <param name="FileType">The number of the name in <c>general.file_type</c>; null where there is none.</param>
/// <param name="Base">The type of tensors that no rule names.</param>
/// <param name="Rules">The first rule that applies to a tensor decides.</param>
public sealed record TypeMix(string Name, uint? FileType, TensorType Base, IReadOnlyList<TypeRule> Rules)
{
    /// <summary>Whether the mix needs an importance matrix to be of use: its types have so few bits that errors must go where they cost least.</summary>
    public bool NeedsImportance => WeightFormats.Get(Base) is { BlockSize: > 1, BitsPerWeight: < 2.6 } && Base is not (TensorType.TQ1_0 or TensorType.TQ2_0);

    /// <summary>The type of a tensor.</summary>
    public TensorType Choose(in TensorPlace place)
    {
        foreach (TypeRule rule in Rules)
        {
            if (rule.Applies(place))
                return rule.Type;
        }
        return Base;
    }

    /// <summary>The type of a tensor of a name and shape: F32 for vectors and routers, and a fallback where its rows are no multiple of blocks.</summary>
    public TensorType Choose(string name, ReadOnlySpan<long> shape, ModelShape model)
    {
        if (shape.Length < 2 || name.Contains("ffn_gate_inp", StringComparison.Ordinal))
            return TensorType.F32;
        return Fit(WeightFormats.Get(Choose(TensorPlace.Of(name, model))), shape[0]).Type;
    }

    /// <summary>A format, or the one that stands in for it where rows are no multiple of its blocks.</summary>
    public static WeightFormat Fit(WeightFormat format, long columns) =>
        columns % format.BlockSize == 0 ? format : WeightFormats.Get(Fallback(format.Type, columns));

    /// <summary>For rows that are no multiple of a type's blocks: the type of smaller blocks that is nearest in quality.</summary>
    /// <returns>The type; F16 where rows are no multiple of any.</returns>
    public static TensorType Fallback(TensorType type, long columns)
    {
        TensorType smaller = type switch
        {
            TensorType.TQ1_0 or TensorType.TQ2_0 => TensorType.Q4_0,
            TensorType.Q4_K => TensorType.Q5_0,
            TensorType.Q5_K => TensorType.Q5_1,
            TensorType.Q6_K => TensorType.Q8_0,
            TensorType.NVFP4 => TensorType.MXFP4,
            TensorType.Q1_0 or TensorType.Q2_0 => TensorType.Q4_0,
            _ => TensorType.IQ4_NL,
        };
        return columns % WeightFormats.Get(smaller).BlockSize == 0 ? smaller : TensorType.F16;
    }
}

/// <summary>That some tensors get a type.</summary>
/// <param name="Parts">Which, by <see cref="TensorPlace.Part"/>.</param>
/// <param name="Type">The type.</param>
/// <param name="When">Where in the model; everywhere if null.</param>
public sealed record TypeRule(IReadOnlyList<string> Parts, TensorType Type, Func<TensorPlace, bool>? When = null)
{
    /// <summary>Whether this rule decides.</summary>
    public bool Applies(TensorPlace place) => Parts.Contains(place.Part) && (When is null || When(place));
}

/// <summary>Where in a model a tensor is.</summary>
/// <param name="Part">What it does: <c>attn_v</c>, <c>ffn_down</c> (of experts too), <c>token_embd</c>, and <c>output</c>, which tied embeddings are too.</param>
/// <param name="Layer">Its layer; 0 for tensors of none.</param>
/// <param name="Model">The model.</param>
public readonly record struct TensorPlace(string Part, int Layer, ModelShape Model)
{
    /// <summary>Where a tensor of a name is.</summary>
    public static TensorPlace Of(string name, ModelShape model)
    {
        if (name == "output.weight" || (name == "token_embd.weight" && model.IsTied))
            return new TensorPlace("output", 0, model);
        string[] parts = name.Split('.');
        return parts[0] == "blk" && parts.Length > 2 && int.TryParse(parts[1], out int layer)
            ? new TensorPlace(parts[2].Replace("_exps", "", StringComparison.Ordinal).Replace("_shexp", "", StringComparison.Ordinal), layer, model)
            : new TensorPlace(parts[0], 0, model);
    }

    /// <summary>Whether the layer is in the first eighth.</summary>
    public bool IsEarly => Layer < Model.Layers / 8;

    /// <summary>Whether the layer is in the last eighth.</summary>
    public bool IsLate => Layer >= 7 * Model.Layers / 8;

    /// <summary>Whether it is in the first or last eighth, or every third between.</summary>
    public bool GetsMore => IsEarly || IsLate || (Layer - (Model.Layers / 8)) % 3 == 2;
}

/// <summary>What of a model decides types.</summary>
/// <param name="Layers">Layers.</param>
/// <param name="HeadsPerGroup">Query heads that share a key-value head.</param>
/// <param name="Experts">Experts of a layer; 0 for none.</param>
/// <param name="IsTied">Whether the output map is the embedding table.</param>
/// <param name="HasImportance">Whether there is an importance matrix.</param>
public sealed record ModelShape(int Layers, int HeadsPerGroup, int Experts, bool IsTied, bool HasImportance = false);
