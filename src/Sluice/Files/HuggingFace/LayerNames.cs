namespace Sluice.Files.HuggingFace;

/// <summary>
/// The names that a layer's tensors have in Hugging Face's files (after <c>model.layers.N.</c>) and in GGUF (after <c>blk.N.</c>), in
/// the parts that kinds of models have in common. An asterisk stands for the number of an expert; GGUF has one tensor for all of them.
/// </summary>
internal static class LayerNames
{
    public static readonly (string Hub, string Gguf)[]
        Norms =
        [
            ("input_layernorm.weight", "attn_norm.weight"),
            ("post_attention_layernorm.weight", "ffn_norm.weight"),
        ],
        Attention =
        [
            ("self_attn.q_proj.weight", "attn_q.weight"),
            ("self_attn.k_proj.weight", "attn_k.weight"),
            ("self_attn.v_proj.weight", "attn_v.weight"),
            ("self_attn.o_proj.weight", "attn_output.weight"),
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
        LatentAttention =
        [
            ("self_attn.q_proj.weight", "attn_q.weight"),
            ("self_attn.q_a_proj.weight", "attn_q_a.weight"),
            ("self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"),
            ("self_attn.q_b_proj.weight", "attn_q_b.weight"),
            ("self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"),
            ("self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"),
            ("self_attn.kv_b_proj.weight", "attn_kv_b.weight"),
            ("self_attn.o_proj.weight", "attn_output.weight"),
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
        ],
        DeepSeekExperts =
        [
            ("mlp.gate.e_score_correction_bias", "exp_probs_b.bias"),
            ("mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"),
            ("mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"),
            ("mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"),
        ],
        GptOss = // its experts as FusedExperts takes them apart
        [
            ("input_layernorm.weight", "attn_norm.weight"),
            ("post_attention_layernorm.weight", "post_attention_norm.weight"),
            ("self_attn.o_proj.bias", "attn_output.bias"),
            ("self_attn.sinks", "attn_sinks.weight"),
            ("mlp.router.weight", "ffn_gate_inp.weight"),
            ("mlp.router.bias", "ffn_gate_inp.bias"),
            ("mlp.experts.gate_proj.weight", "ffn_gate_exps.weight"),
            ("mlp.experts.gate_proj.bias", "ffn_gate_exps.bias"),
            ("mlp.experts.up_proj.weight", "ffn_up_exps.weight"),
            ("mlp.experts.up_proj.bias", "ffn_up_exps.bias"),
            ("mlp.experts.down_proj.weight", "ffn_down_exps.weight"),
            ("mlp.experts.down_proj.bias", "ffn_down_exps.bias"),
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
