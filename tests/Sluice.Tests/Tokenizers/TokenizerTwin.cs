using System.Text.Json;
using Sluice.Files;

namespace Sluice.Tokenizers;

/// <summary>The vocabularies of GGUF files as tokenizer.json, as they were published.</summary>
internal static class TokenizerTwin
{
    public const string ByteLevelParts = """
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
             "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
        "decoder": {"type": "ByteLevel"}
        """;

    public const string LlamaParts = """
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "post_processor": {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}
        """;

    /// <summary>A GGUF file's vocabulary as tokenizer.json.</summary>
    public static string Make(string path, string parts, Func<Vocabulary, Dictionary<string, object>> makeModel)
    {
        using ModelFile file = ModelFile.Open(path);
        Vocabulary vocabulary = VocabularyReader.Read(file.Metadata);
        var added = Enumerable.Range(0, vocabulary.Tokens.Count)
            .Where(id => vocabulary.Types![id] is 2 or 3 or 4)
            .Select(id => new { id, content = vocabulary.Tokens.Text(id), special = vocabulary.Types![id] != 4 });
        return $$"""
            {"model": {{JsonSerializer.Serialize(makeModel(vocabulary))}}, "added_tokens": {{JsonSerializer.Serialize(added)}}, {{parts}} }
            """;
    }

    public static string[] Texts(Vocabulary vocabulary) =>
        [.. Enumerable.Range(0, vocabulary.Tokens.Count).Select(vocabulary.Tokens.Text)];

    public static Dictionary<string, object> SentencePieceModel(Vocabulary vocabulary)
    {
        // As it was converted: every split of a token in two tokens, better scores first.
        string[] texts = Texts(vocabulary);
        HashSet<string> known = [.. texts.Where((_, id) => vocabulary.Types![id] == 1)];
        List<(string[] Parts, float Score)> merges = [];
        for (int id = 0; id < texts.Length; id++)
        {
            for (int i = 1; i < texts[id].Length && known.Contains(texts[id]); i++)
            {
                if (known.Contains(texts[id][..i]) && known.Contains(texts[id][i..]))
                    merges.Add(([texts[id][..i], texts[id][i..]], vocabulary.Scores![id]));
            }
        }
        return new()
        {
            ["type"] = "BPE",
            ["unk_token"] = "<unk>",
            ["byte_fallback"] = true,
            ["vocab"] = texts.Select((text, id) => (text, id)).ToDictionary(token => token.text, token => token.id),
            ["merges"] = merges.OrderByDescending(merge => merge.Score).Select(merge => merge.Parts),
        };
    }

    public static Dictionary<string, object> BpeModel(Vocabulary vocabulary) => new()
    {
        ["type"] = "BPE",
        ["vocab"] = Texts(vocabulary).Select((text, id) => (text, id)).ToDictionary(token => token.text, token => token.id),
        ["merges"] = Enumerable.Range(0, vocabulary.Merges!.Count).Select(vocabulary.Merges.Text),
    };
}
