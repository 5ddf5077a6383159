using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Files;
using Sluice.TestData;

namespace Sluice.Tokenizers;

/// <summary>The <c>tokenizer.ggml.*</c> keys that are made of a tokenizer.json, read by themselves.</summary>
public class GgufKeysTests
{
    private const string Normal = "texts are brought to normal form C";

    private static readonly string[] Texts =
    [
        "", " ", "  ", "\n", "Hello, world!", " Hello", "  two  spaces ", "tab\tand\nlines\r\n\r\n  x", "I'll say 'we'VE' 12345 times; 3.14",
        "Grüße aus Köln, naïve café", "Привет, как дела?", "中文和日本語のテキスト 한국어", "👩‍👩‍👧 😀🏳️‍🌈", "\u0000\u0001\u00A0\u3000\u2028x",
        "aaaaaaaaaaaaaaaaaaaaaaaaa          bbbbbbbb", "for (int i = 0; i < n; i++) { x[i] += y[i] * 2; }", "<s>a</s> <|endoftext|>b<|im_start|>c <unk>", "𐐀𐐨 ǅ ʰ ٣٤٥ Ⅷ ²",
    ];

    public static TheoryData<string, string, string?, string> Goldens => new()
    {
        { "gpt-2", "gpt-2", null, """
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"}
            """ },
        { "qwen2", "qwen2", Normal, TokenizerTwin.ByteLevelParts },
        { "falcon", "falcon", null, """
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Contiguous"},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
                {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": false}]},
            "decoder": {"type": "ByteLevel"}
            """ },
        { "deepseek-llm", "deepseek-llm", null, """
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "[\\r\\n]"}, "behavior": "Isolated"},
                {"type": "Split", "pattern": {"Regex": "LETTERS"}, "behavior": "Isolated"},
                {"type": "Split", "pattern": {"Regex": "\\s?[!-/:-~！-／：-～‘-‟　-。]+"}, "behavior": "Isolated"},
                {"type": "Split", "pattern": {"Regex": "\\s+$"}, "behavior": "Isolated"},
                {"type": "Split", "pattern": {"Regex": "[一-龥ࠀ-一가-퟿]+"}, "behavior": "Isolated"},
                {"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
            "decoder": {"type": "ByteLevel"}
            """ },
        { "llama-spm", "default", null, TokenizerTwin.LlamaParts },
        { "phi-3", "default", null, TokenizerTwin.LlamaParts },
    };

    [Theory]
    [MemberData(nameof(Goldens))]
    public void Tokens_are_those_of_tokenizer_json(string name, string pre, string? loss, string parts)
    {
        string path = Path.Combine(SharedFiles.Shared("golden", "tokenizers"), name);
        // The letters with case, written out as DeepSeek has them.
        parts = parts.Replace("LETTERS", JsonEncodedText.Encode($@"\s?[{Written(PreTokenizers.CasedLetters.Class)}]+").ToString());
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", TokenizerTwin.Make(path + ".gguf", parts, pre == "default" ? TokenizerTwin.SentencePieceModel : TokenizerTwin.BpeModel));
        (Tokenizer expected, Tokenizer actual, Metadata metadata, string? note) = Both(folder);
        Assert.Equal(pre, metadata.GetString("tokenizer.ggml.pre"));
        if (loss is null)
            Assert.Null(note);
        else
            Assert.Contains(loss, note);
        Check(expected, actual, [.. Texts, .. File.ReadAllText(path + ".inp").Split("\n__ggml_vocab_test__\n")]);
        Assert.Equal(expected.VocabularySize + 7, actual.VocabularySize); // as many as the embedding has rows
        Assert.Equal((expected.AddsBos, expected.BosId ?? actual.BosId), (actual.AddsBos, actual.BosId));
        Assert.Equal(expected.EndOfGeneration.Order(), actual.EndOfGeneration.Order());
    }

    [Fact]
    public void Special_tokens_are_said()
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", Llama());
        folder.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": "<|stop|>"}""");
        folder.Write("generation_config.json", """{"eos_token_id": [2, 9]}""");
        (Tokenizer expected, Tokenizer actual, Metadata metadata, string? note) = Both(folder);
        Assert.Contains("white space beside them", note);
        Assert.Equal("llama", metadata.GetString("tokenizer.ggml.model"));
        Assert.Equal((1, 2, 0, 9), (actual.BosId, actual.EosId, actual.UnknownId, actual.PaddingId));
        Assert.True(metadata.GetBool("tokenizer.ggml.add_bos_token") && metadata.GetBool("tokenizer.ggml.add_space_prefix"));
        Assert.False(metadata.GetBool("tokenizer.ggml.add_eos_token"));
        Assert.Equal("[PAD7]", metadata.GetStringArray("tokenizer.ggml.tokens")[7]);
        Assert.Equal([2, 3, 3, 1, 1, 1, 6, 5, 4, 3], metadata.GetInt32Array("tokenizer.ggml.token_type")[..10]);
        Check(expected, actual, ["a", "aa a\n", "</s>a<tool>a<|stop|>"]);
    }

    /// <summary>Whether words that are tokens stay whole decides between two names, unless it makes no difference.</summary>
    [Theory]
    [InlineData(true, true, "llama-bpe")]
    [InlineData(true, false, "llama-bpe")]
    [InlineData(false, true, "dbrx")]
    public void Ignoring_merges_belongs_to_a_name(bool ignores, bool isWhole, string pre)
    {
        using TemporaryFolder folder = new();
        folder.Write("tokenizer.json", ByteLevel(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", ignores, isWhole));
        (Tokenizer expected, Tokenizer actual, Metadata metadata, string? note) = Both(folder);
        Assert.Null(note);
        Assert.Equal(pre, metadata.GetString("tokenizer.ggml.pre"));
        Check(expected, actual, ["abc", "ab abc", "123 cab"]);
    }

    [Theory]
    [InlineData(@"\p{L}+|.", false, true, "none of those that GGUF has names for")]
    [InlineData(@"\p{N}", true, false, "starcoder, goes with another model.ignore_merges")]
    public void What_has_no_name_stays_in_tokenizer_json(string pattern, bool ignores, bool isWhole, string reason)
    {
        using TemporaryFolder folder = new();
        string json = ByteLevel(pattern, ignores, isWhole);
        folder.Write("tokenizer.json", pattern == @"\p{N}" ? json.Replace("\"use_regex\": false", "\"use_regex\": true") : json);
        Stays(folder, reason);
    }

    [Theory]
    [InlineData("""["▁", "a"], ["a", "a"], ["▁a", "a"]""", "it does not merge '▁' and 'aa' to '▁aa'")]
    [InlineData("""["▁", "a"], ["▁a", "a"], ["a", "a"], ["▁", "aa"]""", "merges to '▁aa' are not all of one rank")]
    public void Merges_that_scores_cannot_say_stay_in_tokenizer_json(string merges, string reason)
    {
        using TemporaryFolder folder = new();
        JsonNode json = JsonNode.Parse(Llama())!;
        (json["model"]!["vocab"]!["aa"], json["model"]!["vocab"]!["▁aa"]) = (10, 11);
        json["model"]!["merges"] = JsonNode.Parse($"[{merges}]");
        folder.Write("tokenizer.json", json.ToJsonString());
        Stays(folder, reason);
    }

    private static void Stays(TemporaryFolder folder, string reason)
    {
        Metadata metadata = new("test.gguf");
        string? note = Tokenizer.Embed(folder.Path, metadata);
        Assert.Contains(reason, note);
        Assert.DoesNotContain('\n', note!);
        Assert.Equal(["tokenizer.huggingface.json", "tokenizer.huggingface.config"], metadata.Select(pair => pair.Key));
    }

    private static (Tokenizer Json, Tokenizer Keys, Metadata Metadata, string? Note) Both(TemporaryFolder folder)
    {
        Tokenizer json = Tokenizer.FromFolder(folder.Path);
        Metadata metadata = new("test.gguf") { { "general.architecture", "llama" }, { "llama.vocab_size", (uint)json.VocabularySize + 7 } };
        string? note = Tokenizer.Embed(folder.Path, metadata);
        Assert.True(metadata.Contains("tokenizer.huggingface.json"));
        if (File.Exists(folder["generation_config.json"]))
            metadata["tokenizer.ggml.eos_token_ids"] = new int[] { 2, 9 };
        metadata.Remove("tokenizer.huggingface.json");
        metadata.Remove("tokenizer.huggingface.config");
        return (json, GgufTokenizer.Create(VocabularyReader.Read(metadata)), metadata, note);
    }

    private static void Check(Tokenizer expected, Tokenizer actual, IEnumerable<string> texts)
    {
        foreach (string text in texts)
        {
            foreach (bool parse in (bool[])[false, true])
            {
                int[] tokens = expected.Encode(text, parseSpecial: parse);
                Assert.True(tokens.SequenceEqual(actual.Encode(text, parseSpecial: parse)),
                    $"'{text}': {string.Join(' ', actual.Encode(text, parseSpecial: parse))}, not {string.Join(' ', tokens)}");
                Assert.Equal(expected.Decode(tokens, skipSpecial: false), actual.Decode(tokens, skipSpecial: false));
            }
        }
    }

    private static string Written(string pattern) => System.Text.RegularExpressions.Regex.Replace(
        pattern, @"\\u(....)|\\x\{(\w+)\}", match => char.ConvertFromUtf32(Convert.ToInt32(match.Groups[1].Value + match.Groups[2].Value, 16)));

    private static string Llama() => $$"""
        {"model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
          "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "a": 4, "▁a": 5, "<0x0A>": 6}, "merges": [["▁", "a"]]},
         "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true},
           {"id": 2, "content": "</s>", "special": true}, {"id": 9, "content": "<|stop|>", "special": true, "rstrip": true},
           {"id": 8, "content": "<tool>", "special": false}],
         {{TokenizerTwin.LlamaParts}} }
        """;

    /// <summary>A vocabulary with the token abc, which merges make if it is whole.</summary>
    private static string ByteLevel(string pattern, bool ignores, bool isWhole)
    {
        Dictionary<string, int> vocabulary = Vocabularies.Bytes.Append("ab").Append("abc").Select((text, id) => (text, id)).ToDictionary(token => token.text, token => token.id);
        return $$"""
            {"model": {"type": "BPE", "ignore_merges": {{(ignores ? "true" : "false")}}, "vocab": {{JsonSerializer.Serialize(vocabulary)}}, "merges": [{{(isWhole ? "\"a b\", \"ab c\"" : "\"a b\"")}}]},
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": {{JsonSerializer.Serialize(pattern)}}}, "behavior": "Isolated", "invert": false},
               {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
             "decoder": {"type": "ByteLevel"}, "added_tokens": []}
            """;
    }
}
