using System.Text;
using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Tokenizers;

public class JsonTests
{
    [Fact]
    public void Qwen2_agrees_with_its_gguf() => Agrees("qwen2", TokenizerTwin.ByteLevelParts, TokenizerTwin.BpeModel);

    [Fact]
    public void Gpt_2_agrees_with_its_gguf() => Agrees("gpt-2", """
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"}
        """, TokenizerTwin.BpeModel);

    [Fact]
    public void Falcon_agrees_with_its_gguf() => Agrees("falcon", """
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "[\\p{P}$+<=>^~|`]+"}, "behavior": "Isolated"},
            {"type": "ByteLevel", "add_prefix_space": false},
            {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated"}]},
        "decoder": {"type": "ByteLevel"}
        """, TokenizerTwin.BpeModel);

    [Fact]
    public void Bert_agrees_with_its_gguf() => Agrees("bert-bge", """
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##"}
        """, vocabulary => new()
    {
        ["type"] = "WordPiece",
        ["unk_token"] = "[UNK]",
        ["continuing_subword_prefix"] = "##",
        ["max_input_chars_per_word"] = 100,
        ["vocab"] = TokenizerTwin.Texts(vocabulary).Select((text, id) => (text, id)).ToDictionary(
            token => token.text.StartsWith('▁') ? token.text[1..] : token.text is ['[', _, .., ']'] ? token.text : "##" + token.text,
            token => token.id),
    });

    [Fact]
    public void Llama_2_agrees_with_its_gguf() => Agrees("llama-spm", TokenizerTwin.LlamaParts, TokenizerTwin.SentencePieceModel);

    [Fact]
    public void Special_tokens_are_those_of_the_files()
    {
        string folder = Directory.CreateTempSubdirectory("sluice").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "tokenizer.json"), $$"""
                {"model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
                  "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "a": 4, "▁a": 5, "<0x0A>": 6}, "merges": [["▁", "a"]]},
                 "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true},
                   {"id": 2, "content": "</s>", "special": true}, {"id": 9, "content": "<|stop|>", "special": true, "rstrip": true},
                   {"id": 8, "content": "<tool>", "special": false, "lstrip": true}],
                 {{TokenizerTwin.LlamaParts}} }
                """);
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"),
                """{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null}""");
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"eos_token_id": [2, 9]}""");
            Tokenizer tokenizer = Tokenizer.FromFolder(folder);
            Assert.Equal((10, 1, 2, 0), (tokenizer.VocabularySize, tokenizer.BosId, tokenizer.EosId, tokenizer.UnknownId));
            Assert.Null(tokenizer.PaddingId);
            Assert.Equal([2, 9], tokenizer.EndOfGeneration.Order());
            Assert.True(tokenizer.AddsBos);
            Assert.Equal([1, 5, 6], tokenizer.Encode("a\n"));
            Assert.Equal([1, 5, 9, 5], tokenizer.Encode("a<|stop|>  a", parseSpecial: true));
            Assert.Equal([5, 8, 3, 5], tokenizer.Encode("a <tool> a", addSpecial: false));
            Assert.Equal("a\n", tokenizer.Decode([1, 5, 6]));
            Assert.Equal("", tokenizer.PieceText(7));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("always", "a a", "▁a|▁a")]
    [InlineData("always", " a", "▁a")]
    [InlineData("first", "<tool>a", "<tool>|a")]
    [InlineData("first", "a<tool>a", "▁a|<tool>|a")]
    [InlineData("never", "a a", "a|▁a")]
    [InlineData("never", "a  a", "a|▁|▁a")]
    public void Metaspace_puts_spaces_where_it_says(string scheme, string text, string tokens)
    {
        Tokenizer tokenizer = Parse($$"""
            {"model": {"type": "BPE", "byte_fallback": true, "vocab": {"▁": 0, "a": 1, "▁a": 2, "▁▁": 3}, "merges": ["▁ a", "▁ ▁"]},
             "added_tokens": [{"id": 4, "content": "<tool>"}],
             "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}", "split": true},
             "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}"} }
            """);
        Assert.Equal(tokens.Split('|'), tokenizer.Encode(text).Select(tokenizer.TokenText));
    }

    [Fact]
    public void Unigram_takes_the_best_sum()
    {
        Tokenizer tokenizer = Parse("""
            {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["▁", -3], ["a", -2], ["b", -2], ["ab", -3], ["▁a", -2.5], ["▁abb", -9]]},
             "normalizer": {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
             "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true},
             "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true} }
            """);
        // ▁a b: -4.5, ▁ ab: -6; ▁abb: -9, ▁a b b: -6.5; several spaces are one, several unknown characters one token.
        Assert.Equal(["▁a", "b", "▁a", "b", "b"], tokenizer.Encode("ab   abb ").Select(tokenizer.TokenText));
        Assert.Equal(["▁", "<unk>", "ab"], tokenizer.Encode("中中ab").Select(tokenizer.TokenText));
        Assert.Equal("ab abb", tokenizer.Decode(tokenizer.Encode("ab   abb ")));
    }

    [Fact]
    public void Normal_form_c_is_made_where_asked()
    {
        Tokenizer tokenizer = Parse($$"""{"model": {"type": "BPE", "vocab": {{Vocab()}}, "merges": [["Ã", "©"]]}, {{TokenizerTwin.ByteLevelParts}} }""");
        Assert.Equal(["Ã©"], tokenizer.Encode("e\u0301").Select(tokenizer.TokenText));
        Assert.Equal(["e"], tokenizer.Encode("e").Select(tokenizer.TokenText));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("[]", "")]
    [InlineData("{}", "model")]
    [InlineData("""{"model": {"type": "BPE"}, "decoder": {"type": "ByteLevel"}}""", "vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}, "decoder": {"type": "ByteLevel"}}""", "model.vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 2147483647}, "merges": []}, "decoder": {"type": "ByteLevel"}}""", "model.vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 1e99}, "merges": []}, "decoder": {"type": "ByteLevel"}}""", "")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}, "decoder": {"type": "ByteLevel"}}""", "model.vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "decoder": {"type": "ByteLevel"}}""", "model.vocab")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}, "decoder": {"type": "ByteLevel"}}""", "model.merges")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}, "decoder": {"type": "ByteLevel"}}""", "model.merges")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [7]}, "decoder": {"type": "ByteLevel"}}""", "")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a\ud800": 0}, "merges": []}, "decoder": {"type": "ByteLevel"}}""", "")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}, "decoder": {"type": "ByteLevel"}}""", "model.unk_token")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [{"id": 0, "content": "b"}], "decoder": {"type": "ByteLevel"}}""", "added_tokens")]
    public void Damaged_files_are_refused(string json, string key)
    {
        string message = Assert.Throws<InvalidDataException>(() => Parse(json)).Message;
        Assert.Contains("tokenizer.json: " + key, message);
    }

    [Theory]
    [InlineData("""{"model": {"type": "WordLevel", "vocab": {"a": 0}}}""", "model.type", "WordLevel")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "normalizer": {"type": "NFKC"}, "decoder": {"type": "ByteLevel"}}""", "normalizer.type", "NFKC")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "UnicodeScripts"}, "decoder": {"type": "ByteLevel"}}""", "pre_tokenizer.type", "UnicodeScripts")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}""", "pre_tokenizer", "")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>"}, "decoder": {"type": "ByteLevel"}}""", "model.end_of_word_suffix", "</w>")]
    public void What_is_not_known_is_refused(string json, string key, string value)
    {
        string message = Assert.Throws<NotSupportedException>(() => Parse(json)).Message;
        Assert.Contains("tokenizer.json: " + key, message);
        Assert.Contains(value, message);
    }

    private static Tokenizer Parse(string json) => Tokenizer.FromJson(Encoding.UTF8.GetBytes(json));

    private static string Vocab() => JsonSerializer.Serialize(
        Vocabularies.Bytes.Append("Ã©").Select((text, id) => (text, id)).ToDictionary(token => token.text, token => token.id));

    // The same vocabulary as tokenizer.json must give the tokens that are expected of the GGUF file.
    private static void Agrees(string name, string parts, Func<Vocabulary, Dictionary<string, object>> makeModel)
    {
        string path = Path.Combine(SharedFiles.Shared("golden", "tokenizers"), name);
        GoldenTests.Check(Parse(TokenizerTwin.Make(path + ".gguf", parts, makeModel)), path + ".inp", path + ".out");
    }
}
