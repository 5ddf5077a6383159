using System.Text;
using CsCheck;
using Sluice.Files;
using Sluice.TestData;
using Sluice.Tokenizers.Bpe;

namespace Sluice.Tokenizers;

public class BpeTests
{
    // Any characters at all, halves of surrogate pairs among them.
    private static readonly Gen<string> AnyText = Gen.OneOf(Gen.Char, Gen.Char['\uD800', '\uDFFF'], Gen.Char[' ', '~'])
        .Array[0, 40].Select(characters => new string(characters));

    private static readonly Gen<(int Left, int Right, int Rank)[]> Merges =
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[0, 6]).Array[0, 30];

    [Fact]
    public void Merging_is_what_its_definition_says() =>
        // Symbols 0 to 3 are in the word, others are made; a few ranks, so that there are equals.
        Gen.Select(Merges, Gen.OneOf(Gen.Int[0, 3].Array[1, 30], Gen.Int[0, 3].Array[38, 120])).Sample((merges, word) =>
        {
            MergeTable table = new(4);
            Dictionary<(int, int), (int Rank, int Result)> reference = [];
            for (int i = 0; i < merges.Length; i++)
            {
                (int left, int right, int rank) = merges[i];
                table.Add(left, right, (uint)rank, 4 + (i % 6));
                reference.TryAdd((left, right), (rank, 4 + (i % 6)));
            }
            List<int> expected = [.. word];
            while (true)
            {
                int best = -1;
                for (int i = 0; i + 1 < expected.Count; i++)
                {
                    if (reference.TryGetValue((expected[i], expected[i + 1]), out var merge)
                        && (best < 0 || merge.Rank < reference[(expected[best], expected[best + 1])].Rank))
                    {
                        best = i;
                    }
                }
                if (best < 0)
                    break;
                expected[best] = reference[(expected[best], expected[best + 1])].Result;
                expected.RemoveAt(best + 1);
            }
            Merger merger = new(table);
            word.CopyTo(merger.Symbols(word.Length));
            Assert.Equal(expected, merger.Merge(word.Length).ToArray());
        }, iter: 5_000);

    [Fact]
    public void Every_text_comes_back()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.ByteLevel(
            ["t h", "th e", "Ġ t", "Ġt h", "Ã ©", "ð Ł", "ðŁ ĺ", "Ġ Ġ", "ĠĠ ĠĠ", "a a", "aa aa"], "qwen2"));
        AnyText.Sample(text => Assert.Equal(
            Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), tokenizer.Decode(tokenizer.Encode(text, addSpecial: false))));
        PreTokenizerTests.Texts.Sample(text =>
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false))));
    }

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("qwen2")]
    [InlineData("deepseek-llm")]
    public void Every_text_comes_back_from_real_vocabularies(string name)
    {
        using ModelFile model = ModelFile.Open(Path.Combine(SharedFiles.Shared("golden", "tokenizers"), name + ".gguf"));
        Tokenizer tokenizer = Tokenizer.FromModel(model);
        AnyText.Sample(text => Assert.Equal(
            Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)),
            tokenizer.Decode(tokenizer.Encode(text, addSpecial: false), skipSpecial: false)), iter: 2_000);
    }

    [Fact]
    public void A_word_of_a_megabyte_is_no_trouble()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.ByteLevel(["a a", "aa aa", "aaaa aaaa"]));
        int[] tokens = tokenizer.Encode(new string('a', 1 << 20));
        Assert.Equal(1 << 17, tokens.Length);
        Assert.Single(tokens.Distinct());
    }

    [Fact]
    public void Words_found_again_have_the_same_tokens()
    {
        // More words than the cache holds, twice.
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.ByteLevel(["1 2", "12 3", "Ġ 7"]));
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => $" {i * 37}"));
        int[] once = tokenizer.Encode(text);
        Assert.Equal([.. once, .. once], tokenizer.Encode(text + text));
        Assert.Equal(once, GgufTokenizer.Create(Vocabularies.ByteLevel(["1 2", "12 3", "Ġ 7"])).Encode(text));
    }

    [Fact]
    public void Threads_may_share_a_tokenizer()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(Vocabularies.ByteLevel(["t h", "th e", "Ġ t", "Ġt h"]));
        string text = string.Concat(Enumerable.Repeat("the other then; ", 2_000));
        int[] expected = tokenizer.Encode(text);
        Parallel.For(0, 16, _ => Assert.Equal(expected, tokenizer.Encode(text)));
    }

    [Fact]
    public void Whole_words_win_over_merges_only_where_the_family_says_so()
    {
        // "abc" cannot be reached by merges: a b comes first, and ab c is none.
        string[] merges = ["a b", "b c", "a bc"];
        Tokenizer plain = GgufTokenizer.Create(Vocabularies.ByteLevel(merges, "gpt-2"));
        Tokenizer whole = GgufTokenizer.Create(WithBos(Vocabularies.ByteLevel(merges, "llama-bpe")));
        Assert.Equal(["ab", "c"], plain.Encode("abc").Select(plain.PieceText));
        Assert.Equal(["abc"], whole.Encode("abc", addSpecial: false).Select(whole.PieceText));
    }

    [Fact]
    public void Special_tokens_are_read_only_on_demand()
    {
        Tokenizer tokenizer = GgufTokenizer.Create(
            Vocabularies.ByteLevel(["a b"], control: ["<|im_end|>", "<|im_end|>>"], userDefined: ["<tool>"]));
        Assert.True(tokenizer.TryGetId("<|im_end|>", out int end));
        Assert.True(tokenizer.TryGetId("<tool>", out int tool));
        Assert.Equal([end, tool], tokenizer.Encode("<|im_end|><tool>", parseSpecial: true));
        int[] asText = tokenizer.Encode("<|im_end|><tool>");
        Assert.DoesNotContain(end, asText);
        Assert.Equal(tool, asText[^1]);
        // The longest one wins.
        Assert.Equal([end + 1], tokenizer.Encode("<|im_end|>>", parseSpecial: true));
        Assert.True(tokenizer.IsEndOfGeneration(end));
        Assert.Equal("<tool>", tokenizer.Decode([end, tool]));
        Assert.Equal("<|im_end|><tool>", tokenizer.Decode([end, tool], skipSpecial: false));
    }

    [Theory]
    [InlineData("ab")]
    [InlineData(" ab")]
    [InlineData("ab ")]
    [InlineData("a zz")]
    [InlineData("zz a")]
    [InlineData("a b")]
    public void Bad_merges_are_refused_by_key(string merge)
    {
        Vocabulary good = Vocabularies.ByteLevel(["a c"]);
        Vocabulary bad = new() { Model = "gpt2", Pre = "gpt-2", Tokens = good.Tokens, Merges = new([merge]), Source = "x.gguf" };
        string message = Assert.Throws<InvalidDataException>(() => GgufTokenizer.Create(bad)).Message;
        Assert.Contains("tokenizer.ggml.merges", message);
        Assert.Contains("x.gguf", message);
    }

    [Fact]
    public void Missing_merges_are_refused_by_key()
    {
        Vocabulary bad = new() { Model = "gpt2", Pre = "gpt-2", Tokens = new(Vocabularies.Bytes) };
        Assert.Contains("tokenizer.ggml.merges", Assert.Throws<InvalidDataException>(() => GgufTokenizer.Create(bad)).Message);
    }

    [Fact]
    public void Bytes_without_token_are_left_out()
    {
        Vocabulary few = new() { Model = "gpt2", Pre = "gpt-2", Tokens = new(["a", "b"]), Merges = new() };
        Assert.Equal([0, 1], GgufTokenizer.Create(few).Encode("a\0中b"));
    }

    private static Vocabulary WithBos(Vocabulary vocabulary) => new()
    {
        Model = vocabulary.Model,
        Pre = vocabulary.Pre,
        Tokens = vocabulary.Tokens,
        Types = vocabulary.Types,
        Merges = vocabulary.Merges,
        Ids = new Dictionary<string, long> { ["bos"] = 0 },
    };
}
