using System.Text;
using CsCheck;

namespace Sluice.Tokenizers;

public class SentencePieceTests
{
    private static readonly (string, float)[] Tokens =
    [
        ("▁", -1), ("a", -2), ("b", -3), ("c", -4), ("ab", -5), ("bc", -5), ("▁a", -6), ("▁ab", -7), ("abc", -7), ("▁▁", -8),
        ("▁▁▁", -9), ("xy", -10), ("é", -11), ("éé", -12), ("cab", -6.5f), ("a▁", -20),
    ];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Tokens_are_what_the_definition_says(bool crossing)
    {
        // Without the token that goes over a word's beginning, words are merged (and cached) each on its own.
        (string Text, float Score)[] tokens = crossing ? Tokens : Tokens[..^1];
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.SentencePiece(tokens));
        Gen.OneOf("a", "b", "c", " ", "  ", "xy", "x", "é", "中", "😀", "\n", "ab").Array[0, 60].Select(string.Concat).Sample(text =>
        {
            List<string> expected = text.Length == 0 ? [] : Reference("▁" + text.Replace(' ', '▁'), tokens);
            Assert.Equal(expected, tokenizer.Encode(text, addSpecial: false).Select(tokenizer.TokenText));
        }, iter: 3_000);
    }

    [Fact]
    public void What_has_no_token_is_written_in_bytes()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.SentencePiece(Tokens, addSpace: false));
        Assert.Equal(["<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "a", "<0x0A>"], tokenizer.Encode("😀a\n", addSpecial: false)
            .Select(tokenizer.TokenText));
        Assert.Equal("😀a\n", tokenizer.Decode(tokenizer.Encode("😀a\n")));
        // Parts of a token that have no token themselves.
        Assert.Equal(["xy", "<0x78>"], tokenizer.Encode("xyx", addSpecial: false).Select(tokenizer.TokenText));
    }

    [Fact]
    public void What_has_neither_token_nor_bytes_is_unknown()
    {
        Vocabulary vocabulary = new() { Model = "llama", Tokens = new(["<unk>", "<s>", "a"]), Types = [2, 3, 1], Scores = [0, 0, -1] };
        Tokenizer tokenizer = GgufTokenizer.Create(vocabulary);
        Assert.Equal([1, 0, 2, 0], tokenizer.Encode("a中"));
    }

    [Fact]
    public void A_space_is_put_in_front_and_taken_away()
    {
        Tokenizer with = GgufTokenizer.Create(Vocabularies.SentencePiece(Tokens));
        Tokenizer without = GgufTokenizer.Create(Vocabularies.SentencePiece(Tokens, addSpace: false));
        Assert.Equal(["<s>", "▁ab"], with.Encode("ab").Select(with.TokenText));
        Assert.Equal(["<s>", "ab"], without.Encode("ab").Select(without.TokenText));
        foreach (string text in (string[])["ab", " ab", "", " ", "  ", "a b c"])
        {
            Assert.Equal(text, with.Decode(with.Encode(text)));
            Assert.Equal(text, without.Decode(without.Encode(text)));
        }
    }

    [Fact]
    public void After_a_special_token_comes_a_space_again()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.SentencePiece(Tokens, userDefined: ["<|x|>"]));
        Assert.Equal(["▁a", "<|x|>", "▁ab"], tokenizer.Encode("a<|x|>ab", addSpecial: false).Select(tokenizer.TokenText));
        Assert.Equal(["</s>", "▁a"], tokenizer.Encode("</s>a", addSpecial: false, parseSpecial: true).Select(tokenizer.TokenText));
    }

    [Fact]
    public void Phi_3s_special_tokens_take_the_space_after_them()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.SentencePiece(Tokens, userDefined: ["<|x|>"], name: "Phi-3-mini"));
        Assert.Equal(["<|x|>", "▁ab"], tokenizer.Encode("<|x|> \n ab", addSpecial: false).Select(tokenizer.TokenText));
    }

    [Fact]
    public void A_text_of_a_megabyte_without_spaces_is_no_trouble()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.SentencePiece(Tokens));
        string text = string.Concat(Enumerable.Repeat("abc", 350_000));
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    public static TheoryData<string, string[], float[]?, int[]?, long> Bad => new()
    {
        { "tokenizer.ggml.scores", ["a", "b", "c"], null, null, 1 },
        { "tokenizer.ggml.scores", ["a", "b", "c"], [0, 0], null, 1 },
        { "tokenizer.ggml.scores", ["a", "b", "c"], [0, 0, float.NaN], null, 1 },
        { "tokenizer.ggml.token_type", ["a", "b", "c"], [0, 0, 0], [1], 1 },
        { "tokenizer.ggml.tokens", ["a", "b", "a"], [0, 0, 0], null, 1 },
        { "tokenizer.ggml.tokens", [], [], null, 1 },
        { "tokenizer.ggml.tokens", ["a", "b", "c"], [0, 0, 0], [1, 1, 6], 1 },
        { "tokenizer.ggml.bos_token_id", ["a", "b", "c"], [0, 0, 0], null, 3 },
        { "tokenizer.ggml.bos_token_id", ["a", "b", "c"], [0, 0, 0], null, -7 },
        { "tokenizer.ggml.bos_token_id", ["a", "b", "c"], [0, 0, 0], null, uint.MaxValue },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void Bad_vocabularies_are_refused_by_key(string key, string[] tokens, float[]? scores, int[]? types, long bos)
    {
        Vocabulary vocabulary = new()
        {
            Model = "llama",
            Tokens = new(tokens),
            Scores = scores,
            Types = types,
            Ids = new Dictionary<string, long> { ["bos"] = bos },
            Source = "x.gguf",
        };
        Assert.StartsWith("x.gguf: " + key, Assert.Throws<InvalidDataException>(() => GgufTokenizer.Create(vocabulary)).Message);
    }

    [Fact]
    public void Unknown_models_are_refused_by_key_and_value()
    {
        Vocabulary vocabulary = new() { Model = "rwkv", Tokens = new(["a"]), Source = "x.gguf" };
        string message = Assert.Throws<NotSupportedException>(() => GgufTokenizer.Create(vocabulary)).Message;
        Assert.StartsWith("x.gguf: tokenizer.ggml.model is 'rwkv'", message);
    }

    // SentencePiece's own procedure: of all neighbours whose union is a token, the union of best score, leftmost first.
    private static List<string> Reference(string text, (string Text, float Score)[] tokens)
    {
        Dictionary<string, float> scores = tokens.ToDictionary(token => token.Text, token => token.Score);
        List<string> symbols = [.. text.EnumerateRunes().Select(rune => rune.ToString())];
        while (true)
        {
            int best = -1;
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                if (scores.TryGetValue(symbols[i] + symbols[i + 1], out float score)
                    && (best < 0 || score > scores[symbols[best] + symbols[best + 1]]))
                {
                    best = i;
                }
            }
            if (best < 0)
                break;
            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }
        return [.. symbols.SelectMany(symbol => scores.ContainsKey(symbol)
            ? [symbol]
            : Encoding.UTF8.GetBytes(symbol).Select(b => $"<0x{b:X2}>"))];
    }
}
