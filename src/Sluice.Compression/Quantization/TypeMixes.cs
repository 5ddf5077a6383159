using Sluice.Tensors.Formats;
using static Sluice.Tensors.Formats.TensorType;

namespace Sluice.Compression;

/// <summary>The mixes, by the names that the field gives them, with llama.cpp's choices. A new one is an entry here.</summary>
public static class TypeMixes
{
    private static readonly Func<TensorPlace, bool> Early = place => place.IsEarly;
    private static readonly Func<TensorPlace, bool> GetsMore = place => place.GetsMore;
    private static readonly Func<TensorPlace, bool> Grouped = place => place.Model.HeadsPerGroup >= 4;
    private static readonly Func<TensorPlace, bool> EightExperts = place => place.Model.Experts == 8;
    private static readonly Func<TensorPlace, bool> GroupedOrExperts = place => Grouped(place) || place.Model.Experts >= 4;
    private static readonly Func<TensorPlace, bool> NoImportance = place => !place.Model.HasImportance;

    /// <summary>Every mix.</summary>
    public static IReadOnlyList<TypeMix> All { get; } =
    [
        new("F32", 0, F32, []),
        new("F16", 1, F16, []),
        new("BF16", 32, BF16, []),
        new("Q8_0", 7, Q8_0, []),
        Plain("Q4_0", 2, Q4_0, Rule(Q4_1, place => place.Model.HasImportance && place.IsEarly, "ffn_down")),
        Plain("Q4_1", 3, Q4_1),
        Plain("Q5_0", 8, Q5_0, Rule(Q5_1, place => place.Model.HasImportance && place.IsEarly, "ffn_down")),
        Plain("Q5_1", 9, Q5_1),
        Plain("Q6_K", 18, TensorType.Q6_K),

        Plain("Q2_K", 10, Q2_K, [.. Experts8(Q5_K), Rule(Q4_K, Grouped, "attn_v"), Rule(Q3_K, "attn_v", "ffn_down", "attn_output")]),
        Plain("Q2_K_S", 21, Q2_K, Rule(Q4_K, Grouped, "attn_v"), Rule(Q4_K, Early, "ffn_down")),
        Plain("Q3_K_S", 11, Q3_K, Experts8(Q5_K)),
        Plain("Q3_K_M", 12, Q3_K, [.. Experts8(Q5_K), Rule(Q5_K, place => place.Layer < 2, "attn_v"),
            Rule(Q5_K, place => place.Layer < place.Model.Layers / 16, "ffn_down"), Rule(Q4_K, "attn_v", "ffn_down", "attn_output", "attn_qkv")]),
        Plain("Q3_K_L", 13, Q3_K, [.. Experts8(null), Rule(Q5_K, "attn_v", "ffn_down", "attn_output"), Rule(Q4_K, "attn_qkv")]),
        Plain("Q4_K_S", 14, Q4_K, [.. Experts8(Q5_K), Rule(Q5_K, place => place.Layer < 4, "attn_v"), Rule(Q5_K, Early, "ffn_down")]),
        Plain("Q4_K_M", 15, Q4_K, [.. Experts8(Q5_K), Rule(TensorType.Q6_K, GetsMore, "attn_v", "ffn_down"), Rule(Q5_K, "attn_qkv")]),
        Plain("Q5_K_S", 16, Q5_K, Experts8(null)),
        Plain("Q5_K_M", 17, Q5_K, [.. Experts8(null), Rule(TensorType.Q6_K, GetsMore, "attn_v", "ffn_down"), Rule(TensorType.Q6_K, "attn_qkv")]),

        Smallest("IQ1_S", 24, IQ1_S, Q2_K, Q2_K, IQ2_XXS),
        Smallest("IQ1_M", 31, IQ1_M, Q2_K, Q2_K, IQ2_XXS),
        Smallest("IQ2_XXS", 19, IQ2_XXS, Q2_K, Q2_K, null),
        Smallest("IQ2_XS", 20, IQ2_XS, Q2_K, Q2_K, null),
        Smallest("IQ2_S", 28, IQ2_XS, IQ3_S, IQ3_S, IQ3_S),
        Smallest("IQ2_M", 29, IQ2_S, IQ3_S, IQ3_S, IQ3_S),

        new("IQ3_XXS", 23, IQ3_XXS, [Rule(Q5_K, "output"), Rule(IQ3_S, "token_embd"), .. Experts8(Q5_K), Rule(Q4_K, Grouped, "attn_v"),
            Rule(IQ3_S, NoImportance, "attn_v"), Rule(IQ2_S, "attn_k", "attn_q"), Rule(IQ3_S, "attn_output"),
            Rule(Q4_K, place => NoImportance(place) && place.IsEarly, "ffn_down"), Rule(Q3_K, NoImportance, "ffn_down")]),
        Plain("IQ3_XS", 22, IQ3_S, [.. Experts8(Q5_K), Rule(Q4_K, Grouped, "attn_v"), Rule(IQ3_XXS, "attn_k", "attn_q"),
            Rule(IQ3_XXS, place => !place.IsEarly && !place.IsLate, "ffn_gate", "ffn_up")]),
        Plain("IQ3_S", 26, IQ3_S, [.. Experts8(Q5_K), Rule(Q4_K, Grouped, "attn_v")]),
        Plain("IQ3_M", 27, IQ3_S, [.. Experts8(Q5_K), Rule(Q4_K, "attn_v", "attn_output", "attn_qkv"),
            Rule(Q4_K, place => place.IsEarly || (EightExperts(place) && place.GetsMore), "ffn_down")]),
        Plain("IQ4_NL", 25, IQ4_NL, Four()),
        Plain("IQ4_XS", 30, IQ4_XS, Four()),

        Plain("TQ1_0", 36, TQ1_0, Rule(Q4_K, "token_embd")),
        Plain("TQ2_0", 37, TQ2_0, Rule(Q4_K, "token_embd")),
        Plain("Q1_0", 40, Q1_0),
        Plain("Q2_0", null, Q2_0),
        Plain("MXFP4", 38, MXFP4),
        // The experts alone are in MXFP4, as OpenAI published them.
        new("MXFP4_MOE", 38, Q8_0, [Rule(MXFP4, place => place.Model.Experts > 0, "ffn_gate", "ffn_up", "ffn_down")]),
        Plain("NVFP4", 39, NVFP4),

        // Of one type but for the output map.
        Plain("Q3_K", 11, Q3_K),
        Plain("Q4_K", 14, Q4_K),
        Plain("Q5_K", 16, Q5_K),
    ];

    /// <summary>The mix of a name, whatever its case.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static TypeMix Get(string name) =>
        All.FirstOrDefault(mix => mix.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no type '{name}'; there are {string.Join(", ", All.Select(mix => mix.Name))}.", nameof(name));

    /// <summary>The output map decides every token and takes 6 bits; all else as the rules say.</summary>
    private static TypeMix Plain(string name, uint? fileType, TensorType type, params TypeRule[] rules) =>
        new(name, fileType, type, [Rule(TensorType.Q6_K, "output"), .. rules]);

    /// <summary>Below 3 bits, what is small or matters most takes more: embeddings, values, the first layers' down maps.</summary>
    private static TypeMix Smallest(string name, uint fileType, TensorType type, TensorType embeddings, TensorType more, TensorType? attention) =>
        new(name, fileType, type,
        [
            Rule(Q5_K, "output"), Rule(embeddings, "token_embd"), Rule(Q4_K, GroupedOrExperts, "attn_v"), Rule(more, "attn_v"),
            Rule(Q4_K, EightExperts, "attn_k"), Rule(more, Early, "ffn_down"), Rule(Q5_K, EightExperts, "attn_output"),
            .. attention is { } other ? [Rule(other, "attn_output")] : (TypeRule[])[],
        ]);

    /// <summary>With 8 experts attention is so small a part that it can have more.</summary>
    private static TypeRule[] Experts8(TensorType? output) =>
    [
        Rule(Q8_0, EightExperts, "attn_v", "attn_k"), .. output is { } type ? [Rule(type, EightExperts, "attn_output")] : (TypeRule[])[],
    ];

    private static TypeRule[] Four() =>
    [
        .. Experts8(Q5_K), Rule(Q5_K, Grouped, "attn_v"), Rule(Q5_K, place => NoImportance(place) && place.IsEarly, "ffn_down"),
    ];

    private static TypeRule Rule(TensorType type, params string[] parts) => new(parts, type);

    private static TypeRule Rule(TensorType type, Func<TensorPlace, bool> when, params string[] parts) => new(parts, type, when);
}
