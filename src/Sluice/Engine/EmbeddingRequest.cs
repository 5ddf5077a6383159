using Sluice.Models;
using Sluice.Tensors.Cpu;

namespace Sluice;

/// <summary>What a user asks of an engine: a vector that stands for a text.</summary>
public sealed record EmbeddingRequest
{
    /// <summary>The text's tokens; at least one, and as many as the context has.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>Which of the tokens' rows make the vector; null for what the model was made for (<see cref="ModelConfig.Pooling"/>).</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>The name of the adapter that the model has for it (<see cref="Engine.LoadAdapter"/>); null for none.</summary>
    public string? Adapter { get; init; }

    /// <summary>How urgent it is: higher goes first, where the engine's policy is <c>priority</c>.</summary>
    public int Priority { get; init; }
}

/// <summary>A vector that stands for a text.</summary>
/// <param name="Values">Of length 1 (Euclidean), unless it is all zero; as many as the model's rows are wide.</param>
/// <param name="PromptTokens">The tokens of the text.</param>
/// <param name="CachedPromptTokens">Of these, the ones that were found in the cache.</param>
public sealed record Embedding(float[] Values, int PromptTokens, int CachedPromptTokens)
{
    /// <summary>
    /// The first values, of length 1 again: what is left of a vector whose model was trained so that its beginning stands for the text
    /// by itself (Matryoshka, Kusupati et al. 2022).
    /// </summary>
    /// <param name="dimensions">How many, from 1 to as many as there are.</param>
    public Embedding Shorten(int dimensions)
    {
        if (dimensions < 1 || dimensions > Values.Length)
            throw new ArgumentOutOfRangeException(nameof(dimensions), dimensions, $"An embedding of {Values.Length} values can be cut to 1 to {Values.Length}.");
        float[] values = Values[..dimensions];
        Normalize(values);
        return this with { Values = values };
    }

    /// <summary>Divides a vector by its length; one of zeros stays as it is.</summary>
    internal static void Normalize(Span<float> values)
    {
        double squares = Vectors.Squares(values);
        double factor = squares > 0 ? 1 / Math.Sqrt(squares) : 0;
        foreach (ref float value in values)
            value = (float)(value * factor);
    }
}
