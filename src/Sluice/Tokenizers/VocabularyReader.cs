using Sluice.Files;

namespace Sluice.Tokenizers;

/// <summary>Reads a <see cref="Vocabulary"/> from a model's metadata.</summary>
internal static class VocabularyReader
{
    private static readonly string[] Ids =
    [
        "bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "cls", "mask", "fim_pre", "fim_suf", "fim_mid", "fim_pad",
        "fim_rep", "fim_sep", "prefix", "suffix", "middle",
    ];

    private static readonly string[] Flags =
    [
        "add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix", "remove_extra_whitespaces",
        "normalizer.lowercase", "normalizer.strip_accents",
    ];

    /// <exception cref="InvalidDataException">A key is missing or is no such thing.</exception>
    public static Vocabulary Read(Metadata metadata)
    {
        Dictionary<string, long> ids = [];
        foreach (string name in Ids)
        {
            string key = $"tokenizer.ggml.{name}_token_id";
            if (metadata.Contains(key))
                ids[name] = metadata.GetInt64(key);
        }
        Dictionary<string, bool> flags = [];
        foreach (string name in Flags)
        {
            string key = $"tokenizer.ggml.{name}";
            if (metadata.Contains(key))
                flags[name] = metadata.GetBool(key);
        }
        return new()
        {
            Model = metadata.GetString(Vocabulary.ModelKey),
            Pre = metadata.GetString(Vocabulary.PreKey, null),
            Tokens = Strings(metadata.GetStringArray(Vocabulary.TokensKey)),
            Scores = metadata.Contains(Vocabulary.ScoresKey) ? metadata.GetFloatArray(Vocabulary.ScoresKey) : null,
            Types = metadata.Contains(Vocabulary.TypesKey) ? metadata.GetInt32Array(Vocabulary.TypesKey) : null,
            Merges = metadata.Contains(Vocabulary.MergesKey) ? Strings(metadata.GetStringArray(Vocabulary.MergesKey)) : null,
            PrecompiledCharsMap = metadata.Contains(Vocabulary.CharsMapKey)
                ? [.. metadata.GetInt32Array(Vocabulary.CharsMapKey).Select(value => unchecked((byte)value))]
                : null,
            Ids = ids,
            Ends = metadata.Contains(Vocabulary.EndsKey) ? metadata.GetInt32Array(Vocabulary.EndsKey) : [],
            Flags = flags,
            ModelName = metadata.GetString("general.name", ""),
            Architecture = metadata.GetString("general.architecture", ""),
            Source = metadata.Source,
        };
    }

    // A copy, so that the tokenizer outlives the file.
    private static ByteStrings Strings(StringArray array)
    {
        ByteStrings strings = new(array.Count);
        for (int i = 0; i < array.Count; i++)
            strings.Add(array.Utf8(i));
        return strings;
    }
}
