namespace Sluice.Files.HuggingFace;

/// <summary>A kind of model that can be read from a Hugging Face folder. A new one is a line in <see cref="All"/>.</summary>
/// <param name="ModelType"><c>model_type</c> in config.json.</param>
/// <param name="Gguf"><c>general.architecture</c> in GGUF.</param>
/// <param name="InterleavedRope">
/// Whether GGUF's architecture rotates neighbouring elements, where Hugging Face rotates element i with i + head_dim / 2: then
/// the rows of Q and K change places.
/// </param>
/// <param name="QkvBias">Whether Q, K and V have a bias.</param>
/// <param name="HeadDim">The size of a head without <c>head_dim</c>; 0 for hidden_size / num_attention_heads.</param>
internal sealed record Architecture(
    string ModelType, string Gguf, bool InterleavedRope = false, bool QkvBias = false, int HeadDim = 0)
{
    public static IReadOnlyList<Architecture> All { get; } =
    [
        new("llama", "llama", InterleavedRope: true),
        new("mistral", "llama", InterleavedRope: true),
        new("qwen2", "qwen2", QkvBias: true),
        new("qwen3", "qwen3", HeadDim: 128),
    ];

    /// <summary>The architecture that config.json names.</summary>
    public static Architecture Of(JsonFile config)
    {
        string type = config.TextOrNull("model_type") ?? throw config.Missing("model_type");
        return All.FirstOrDefault(architecture => architecture.ModelType == type)
            ?? throw config.Unsupported("model_type", $"here it reads {string.Join(", ", All.Select(a => a.ModelType))}");
    }
}
