namespace Sluice.Files.HuggingFace;

/// <summary>A kind of model that can be read from a Hugging Face folder. A new one is a line in <see cref="All"/>.</summary>
/// <param name="ModelType"><c>model_type</c> in config.json.</param>
/// <param name="Gguf"><c>general.architecture</c> in GGUF.</param>
/// <param name="Names">The names of a layer's tensors (<see cref="LayerNames"/>).</param>
internal sealed record Architecture(string ModelType, string Gguf, IReadOnlyDictionary<string, string> Names)
{
    public static IReadOnlyList<Architecture> All { get; } =
    [
        new("llama", "llama", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.FeedForward)) { InterleavedRope = true },
        new("mistral", "llama", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.FeedForward)) { InterleavedRope = true },
        new("mixtral", "llama", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.MixtralExperts))
        {
            InterleavedRope = true,
            Experts = MixtureConfig.Mixtral,
        },
        new("qwen2", "qwen2", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.QkvBias, LayerNames.FeedForward)),
        new("qwen2_moe", "qwen2moe", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.QkvBias, LayerNames.FeedForward, LayerNames.Experts, LayerNames.SharedExpert))
        {
            Experts = MixtureConfig.Qwen2,
        },
        new("qwen3", "qwen3", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.HeadNorms, LayerNames.FeedForward)) { HeadDim = 128 },
        new("qwen3_moe", "qwen3moe", LayerNames.Of(LayerNames.Norms, LayerNames.Attention, LayerNames.HeadNorms, LayerNames.FeedForward, LayerNames.Experts))
        {
            HeadDim = 128,
            Experts = MixtureConfig.Qwen3,
        },
        DeepSeek("deepseek_v2", MixtureConfig.DeepSeek2),
        DeepSeek("deepseek_v3", MixtureConfig.DeepSeek3),
        new("gpt_oss", "gpt-oss", LayerNames.Of(LayerNames.Attention, LayerNames.QkvBias, LayerNames.GptOss))
        {
            HeadDim = 64,
            Experts = MixtureConfig.GptOss,
            HasFusedExperts = true,
            HasEveryOtherWindowed = true,
        },
    ];

    /// <summary>
    /// Whether GGUF's architecture rotates neighbouring elements, where Hugging Face rotates element i with i + head_dim / 2: then
    /// the rows of Q and K change places.
    /// </summary>
    public bool InterleavedRope { get; init; }

    /// <summary>The size of a head without <c>head_dim</c>; 0 for hidden_size / num_attention_heads.</summary>
    public int HeadDim { get; init; }

    /// <summary>Adds to the metadata what config.json says of experts; null for a model without.</summary>
    public Action<JsonFile, Metadata>? Experts { get; init; }

    /// <summary>Whether attention goes through a latent row (DeepSeek), whose rotated part is what rotates.</summary>
    public bool HasLatentAttention { get; init; }

    /// <summary>Whether all experts are stored in one tensor, gates and ups by turns (GPT-oss).</summary>
    public bool HasFusedExperts { get; init; }

    /// <summary>Whether the first layer and every other one after it has a sliding window (GPT-oss).</summary>
    public bool HasEveryOtherWindowed { get; init; }

    /// <summary>Whether Q, K and V have a bias.</summary>
    public bool HasQkvBias => Names.ContainsKey("self_attn.q_proj.bias");

    /// <summary>The architecture that config.json names.</summary>
    public static Architecture Of(JsonFile config)
    {
        string type = config.TextOrNull("model_type") ?? throw config.Missing("model_type");
        return All.FirstOrDefault(architecture => architecture.ModelType == type)
            ?? throw config.Unsupported("model_type", $"here it reads {string.Join(", ", All.Select(a => a.ModelType))}");
    }

    private static Architecture DeepSeek(string modelType, Action<JsonFile, Metadata> experts) => new(
        modelType, "deepseek2",
        LayerNames.Of(LayerNames.Norms, LayerNames.LatentAttention, LayerNames.FeedForward, LayerNames.Experts, LayerNames.DeepSeekExperts))
    {
        HasLatentAttention = true,
        Experts = experts,
    };
}
