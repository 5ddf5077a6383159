namespace Sluice.Compression;

/// <summary>
/// Where factors can be folded: what <paramref name="From"/> writes is all that <paramref name="To"/> read, and nothing but linear
/// happens in between, so that dividing its outputs and multiplying their columns changes nothing.
/// </summary>
/// <param name="From">The tensor that is divided: a norm's weights, or the rows of a map.</param>
/// <param name="To">The maps that read it, as many as the layer has.</param>
internal sealed record FoldRule(string From, params string[] To)
{
    /// <summary>A tensor that lies in between, if the layer has it.</summary>
    public string? Unless { get; init; }

    /// <summary>A tensor without which a function that is not linear lies in between.</summary>
    public string? Needs { get; init; }

    /// <summary>Whether it is the norm of the residual stream.</summary>
    public bool ReadsResidual { get; init; }

    /// <summary>Which part of the map's rows it is.</summary>
    public FoldPart Part { get; init; }
}

/// <summary>Which rows of a map are divided.</summary>
internal enum FoldPart
{
    /// <summary>All.</summary>
    All,

    /// <summary>The last ones: V of joined Q, K and V, up of joined gate and up.</summary>
    Last,
}

/// <summary>The list of foldable pairs, one line each.</summary>
internal static class FoldRules
{
    /// <summary>Rows are looked up, not multiplied: none of the methods' matrices, even where a model uses it as its output map too.</summary>
    public const string Embedding = "token_embd.weight";

    /// <summary>GPT-oss adds 1 to up, and clamps it.</summary>
    public const string NotLinear = "gpt-oss";

    private static readonly string[] FeedForward =
        ["ffn_gate", "ffn_up", "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_gate_shexp", "ffn_up_shexp", "ffn_gate_inp_shexp"];

    /// <summary>The list.</summary>
    public static IReadOnlyList<FoldRule> All { get; } =
    [
        new("attn_norm", "attn_q", "attn_k", "attn_v", "attn_qkv", "attn_q_a", "attn_kv_a_mqa", "ssm_in") { ReadsResidual = true },
        new("attn_q_a_norm", "attn_q_b"),
        new("attn_sub_norm", "attn_output"),
        new("attn_v", "attn_output") { Unless = "attn_sub_norm" },
        new("attn_qkv", "attn_output") { Unless = "attn_sub_norm", Part = FoldPart.Last },
        new("ffn_norm", FeedForward) { ReadsResidual = true },
        new("post_attention_norm", FeedForward) { Unless = "ffn_norm", ReadsResidual = true }, // elsewhere it is a norm of attention's output
        new("ffn_sub_norm", "ffn_down"),
        new("ffn_up", "ffn_down") { Unless = "ffn_sub_norm", Needs = "ffn_gate" },
        new("ffn_up", "ffn_down") { Unless = "ffn_gate", Part = FoldPart.Last }, // joined, of twice the width
        new("ffn_up_exps", "ffn_down_exps"),
        new("ffn_up_shexp", "ffn_down_shexp"),
    ];
}
