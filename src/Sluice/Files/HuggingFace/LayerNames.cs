namespace Sluice.Files.HuggingFace;

/// <summary>
/// The names that a layer's tensors have in Hugging Face's files (after <c>model.layers.N.</c>) and in GGUF (after <c>blk.N.</c>), in
/// the parts that kinds of models have in common. An asterisk stands for the number of an expert; GGUF has one tensor for all of them.
/// </summary>
internal static class LayerNames
{
    public static readonly (string Hub, string Gguf)[]
        Attention =
        [
            ("input_layernorm.weight", "attn_norm.weight"),
            ("self_attn.q_proj.weight", "attn_q.weight"),
            ("self_attn.k_proj.weight", "attn_k.weight"),
            ("self_attn.v_proj.weight", "attn_v.weight"),
            ("self_attn.o_proj.weight", "attn_output.weight"),
            ("post_attention_layernorm.weight", "ffn_norm.weight"),
        ],
        QkvBias =
        [
            ("self_attn.q_proj.bias", "attn_q.bias"),
            ("self_attn.k_proj.bias", "attn_k.bias"),
            ("self_attn.v_proj.bias", "attn_v.bias"),
        ],
        HeadNorms =
        [
            ("self_attn.q_norm.weight", "attn_q_norm.weight"),
            ("self_attn.k_norm.weight", "attn_k_norm.weight"),
        ],
        FeedForward =
        [
            ("mlp.gate_proj.weight", "ffn_gate.weight"),
            ("mlp.up_proj.weight", "ffn_up.weight"),
            ("mlp.down_proj.weight", "ffn_down.weight"),
        ],
        Experts =
        [
            ("mlp.gate.weight", "ffn_gate_inp.weight"),
            ("mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight"),
            ("mlp.experts.*.up_proj.weight", "ffn_up_exps.weight"),
            ("mlp.experts.*.down_proj.weight", "ffn_down_exps.weight"),
        ],
        MixtralExperts =
        [
            ("block_sparse_moe.gate.weight", "ffn_gate_inp.weight"),
            ("block_sparse_moe.experts.*.w1.weight", "ffn_gate_exps.weight"),
            ("block_sparse_moe.experts.*.w3.weight", "ffn_up_exps.weight"),
            ("block_sparse_moe.experts.*.w2.weight", "ffn_down_exps.weight"),
        ],
        SharedExpert =
        [
            ("mlp.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight"),
            ("mlp.shared_expert.up_proj.weight", "ffn_up_shexp.weight"),
            ("mlp.shared_expert.down_proj.weight", "ffn_down_shexp.weight"),
            ("mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight"),
        ];

    /// <summary>The names of some parts.</summary>
    public static IReadOnlyDictionary<string, string> Of(params ReadOnlySpan<(string Hub, string Gguf)[]> parts)
    {
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        foreach ((string Hub, string Gguf)[] part in parts)
        {
            foreach ((string hub, string gguf) in part)
                names.Add(hub, gguf);
        }
        return names;
    }
}
