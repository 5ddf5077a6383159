namespace Sluice.Files.HuggingFace;

/// <summary>What decides how a model's tensors are called and laid out.</summary>
/// <param name="Architecture">Which kind of model it is.</param>
/// <param name="Layers">Layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key-value heads.</param>
/// <param name="HeadDim">Rows of a head.</param>
/// <param name="TiedEmbeddings">Whether the output matrix is the embedding matrix.</param>
/// <param name="Experts">Experts of a layer; 0 for none.</param>
/// <param name="PredictionLayers">Layers after the last that predict further tokens (DeepSeek-V3), which are left out.</param>
internal sealed record TensorLayout(
    Architecture Architecture, int Layers, int Heads, int KvHeads, int HeadDim, bool TiedEmbeddings, int Experts,
    int PredictionLayers = 0)
{
    /// <summary>That of a model with GGUF's metadata.</summary>
    /// <exception cref="NotSupportedException">Its kind has no names in Hugging Face's files that Sluice knows.</exception>
    public static TensorLayout Of(Metadata model)
    {
        string name = model.GetString("general.architecture");
        Architecture architecture = Architecture.All.FirstOrDefault(known => known.Gguf == name) ?? throw new NotSupportedException(
            $"{model.Source} is a {name} model; PEFT adapters are read for {string.Join(", ", Architecture.All.Select(known => known.Gguf).Distinct())}.");
        int heads = model.GetInt32(name + ".attention.head_count");
        return new TensorLayout(
            architecture, model.GetInt32(name + ".block_count"), heads, model.GetInt32(name + ".attention.head_count_kv", heads),
            model.GetInt32(name + ".attention.key_length", model.GetInt32(name + ".embedding_length") / heads), TiedEmbeddings: false,
            model.GetInt32(name + ".expert_count", 0));
    }
}
