namespace Sluice.Tokenizers;

/// <summary>
/// A vocabulary as GGUF's <c>tokenizer.ggml.*</c> metadata describe it, which is how <see cref="GgufTokenizer"/> gets it. What is
/// null was not there.
/// </summary>
internal sealed class Vocabulary
{
    public const string TokensKey = "tokenizer.ggml.tokens";
    public const string ScoresKey = "tokenizer.ggml.scores";
    public const string TypesKey = "tokenizer.ggml.token_type";
    public const string MergesKey = "tokenizer.ggml.merges";
    public const string ModelKey = "tokenizer.ggml.model";
    public const string PreKey = "tokenizer.ggml.pre";
    public const string EndsKey = "tokenizer.ggml.eos_token_ids";
    public const string CharsMapKey = "tokenizer.ggml.precompiled_charsmap";

    /// <summary>The algorithm: llama, gpt2, bert, t5, ...</summary>
    public required string Model { get; init; }

    /// <summary>The name of the pre-tokenizer.</summary>
    public string? Pre { get; init; }

    public required ByteStrings Tokens { get; init; }

    public float[]? Scores { get; init; }

    public int[]? Types { get; init; }

    public ByteStrings? Merges { get; init; }

    public byte[]? PrecompiledCharsMap { get; init; }

    /// <summary>Special tokens by the middle of their keys (<c>tokenizer.ggml.bos_token_id</c>: bos).</summary>
    public IReadOnlyDictionary<string, long> Ids { get; init; } = new Dictionary<string, long>();

    /// <summary>Tokens that end a generation beside those (<c>tokenizer.ggml.eos_token_ids</c>, which Sluice writes).</summary>
    public IReadOnlyList<int> Ends { get; init; } = [];

    /// <summary>Truth values by the end of their keys (<c>tokenizer.ggml.add_bos_token</c>: add_bos_token).</summary>
    public IReadOnlyDictionary<string, bool> Flags { get; init; } = new Dictionary<string, bool>();

    /// <summary>general.name, which some models' rules for white space hang on.</summary>
    public string ModelName { get; init; } = "";

    /// <summary>general.architecture.</summary>
    public string Architecture { get; init; } = "";

    /// <summary>The file, for messages.</summary>
    public string Source { get; init; } = "vocabulary";

    public bool Flag(string name, bool fallback) => Flags.TryGetValue(name, out bool value) ? value : fallback;

    /// <summary>A special token's id; <paramref name="fallback"/> where there is none or the fallback is out of range.</summary>
    /// <exception cref="InvalidDataException">The id is not in the vocabulary.</exception>
    public int? Id(string name, int? fallback = null)
    {
        if (!Ids.TryGetValue(name, out long id))
            return fallback < Tokens.Count ? fallback : null;
        // All ones mark "none" in files of some converters.
        if (id is uint.MaxValue or -1)
            return null;
        return id >= 0 && id < Tokens.Count
            ? (int)id
            : throw Bad($"tokenizer.ggml.{name}_token_id", $"{id} is not in the vocabulary of {Tokens.Count} tokens");
    }

    public InvalidDataException Bad(string key, string what) => new($"{Source}: {key}: {what}.");
}
