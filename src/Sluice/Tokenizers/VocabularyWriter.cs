using Sluice.Files;

namespace Sluice.Tokenizers;

/// <summary>Writes a <see cref="Vocabulary"/> to a model's metadata, as <see cref="VocabularyReader"/> reads it.</summary>
internal static class VocabularyWriter
{
    /// <summary>
    /// Adds the keys, in the place of those that say the same. A vocabulary has as many tokens as the model's embedding has rows: places
    /// without one are filled up, as other converters do.
    /// </summary>
    public static void Write(Vocabulary vocabulary, Metadata metadata)
    {
        int rows = metadata.TryGetString("general.architecture", out string? architecture) ? metadata.GetInt32($"{architecture}.vocab_size", 0) : 0;
        int known = vocabulary.Tokens.Count, count = Math.Max(known, rows);
        string[] tokens = new string[count];
        int[] types = new int[count];
        for (int id = 0; id < count; id++)
        {
            bool isToken = id < known && vocabulary.Tokens[id].Length > 0;
            tokens[id] = isToken ? vocabulary.Tokens.Text(id) : $"[PAD{id}]";
            types[id] = isToken ? vocabulary.Types![id] : (int)TokenType.Unused;
        }
        metadata[Vocabulary.ModelKey] = vocabulary.Model;
        metadata[Vocabulary.PreKey] = vocabulary.Pre!;
        metadata[Vocabulary.TokensKey] = tokens;
        metadata[Vocabulary.TypesKey] = types;
        if (vocabulary.Scores is { } scores)
        {
            Array.Resize(ref scores, count);
            scores.AsSpan(known).Fill(float.MinValue);
            metadata[Vocabulary.ScoresKey] = scores;
        }
        if (vocabulary.Merges is { } merges)
            metadata[Vocabulary.MergesKey] = Enumerable.Range(0, merges.Count).Select(merges.Text).ToArray();
        foreach ((string name, long id) in vocabulary.Ids)
            metadata[$"tokenizer.ggml.{name}_token_id"] = (uint)id;
        foreach ((string name, bool flag) in vocabulary.Flags)
            metadata[$"tokenizer.ggml.{name}"] = flag;
    }
}
