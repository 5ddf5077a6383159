using System.Text;
using CsCheck;
using Sluice.Tokenizers.Patterns;
using Sluice.Tokenizers.PreTokenizers;

namespace Sluice.Tokenizers;

public class PreTokenizerTests
{
    // Letters of each kind of case, marks, digits, punctuation and spaces, also beyond the basic plane.
    internal static readonly Gen<string> Texts = Gen.OneOf(
        Gen.OneOf(" ", " ", "  ", "\t", "\n", "\r\n", "\u00A0", "\u3000", "\u0085", "\u2028"),
        Gen.OneOf("'", "'s", "'S", "'ll", "'VE", "'re", "!", "/", "-", "_", "$", "`", "。", "…"),
        Gen.OneOf("a", "B", "cde", "FG", "Hij", "é", "Ж", "ж", "ǅ", "ʰ", "中", "あ", "한", "\u0301", "\u17B6", "\u20DD"),
        Gen.OneOf("0", "12", "3456789", "٣", "²", "Ⅷ", "\U0001D7CE"),
        Gen.OneOf("\U00010400", "\U00010428", "\U0001F600", "\U00020000", "\U0001D400", "\U0001F468\u200D\U0001F469", "\0"),
        Gen.Char[(char)0x20, (char)0xD7FF].Select(c => c.ToString())).Array[0, 24].Select(string.Concat);

    public static TheoryData<string> Fast => [.. FastPatterns.All.Keys];

    public static TheoryData<string> All => [.. PreTokenizerList.Names];

    [Theory]
    [MemberData(nameof(Fast))]
    public void Hand_written_pieces_are_the_patterns(string pattern)
    {
        PreTokenizer[] slow = [new PatternSplit(pattern)];
        PreTokenizer[] fast = [FastPatterns.All[pattern]];
        Texts.Sample(text => Assert.Equal(Split(text, slow), Split(text, fast)), iter: 3_000);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Pieces_make_up_the_text(string name)
    {
        PreTokenizer[] stages = PreTokenizerList.Find(name, "test").Stages();
        Texts.Sample(text => Assert.Equal(text, string.Concat(Split(text, stages))), iter: 300);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Long_runs_take_linear_time(string name)
    {
        // Quadratic ones would take many minutes.
        PreTokenizer[] stages = PreTokenizerList.Find(name, "test").Stages();
        foreach (string unit in (string[])[" ", "\n", "7", "a", "A", "中", "\u0301", "'", "!", " 7", "aA", "\t\u00A0"])
        {
            string text = string.Concat(Enumerable.Repeat(unit, 100_000)) + "5";
            Pieces pieces = new(Encoding.UTF8.GetBytes(text), stages);
            int length = 0;
            while (pieces.Next(out ReadOnlySpan<byte> piece))
                length += piece.Length;
            Assert.Equal(Encoding.UTF8.GetByteCount(text), length);
        }
    }

    [Theory]
    [InlineData("gpt-2", "I've 'RE 123  x", "I|'ve| '|RE| 123| | x")]
    [InlineData("llama-bpe", "I'VE 1234  x\n\n y", "I|'VE| |123|4| | x|\n\n| y")]
    [InlineData("qwen2", "12 3", "1|2| |3")]
    [InlineData("gpt-4o", "HTTPServer's 1234", "HTTPServer's| |123|4")]
    [InlineData("gpt-4o", "camelCase", "camel|Case")]
    [InlineData("tekken", "camelCase's 12", "camel|Case|'s| |1|2")]
    [InlineData("starcoder", "a12 3", "a|1|2| |3")]
    [InlineData("falcon", "a+b=12345", "a|+|b|=|123|45")]
    [InlineData("deepseek-v3", "a.bcd 12345 中文x", "a|.bcd| |123|45| |中文|x")]
    [InlineData("deepseek-coder", "a b,12\n", "a| b|,|1|2|\n")]
    [InlineData("deepseek-llm", "ab 中文 12  ", "ab| |中文| |1|2|  ")]
    [InlineData("superbpe", "a b 1234567", "a b |1|234|567")]
    [InlineData("tiny_aya", "1234567 1234x", "1|234|567| |123|4|x")]
    [InlineData("bloom", "a b, c", "a| b|,| c")]
    public void Known_texts_are_cut(string name, string text, string pieces) =>
        Assert.Equal(pieces, string.Join('|', Split(text, PreTokenizerList.Find(name, "test").Stages())));

    [Fact]
    public void Unknown_names_are_refused_by_key_and_value()
    {
        string message = Assert.Throws<NotSupportedException>(() => PreTokenizerList.Find("sluice-9", "file.gguf")).Message;
        Assert.Contains("tokenizer.ggml.pre", message);
        Assert.Contains("sluice-9", message);
        Assert.Contains("file.gguf", message);
    }

    [Theory]
    [InlineData(@"a|b", "xaby", "x|a|b|y")]
    [InlineData(@"(?:ab)+", "ababa", "abab|a")]
    [InlineData(@"a{2,3}", "aaaaaaa", "aaa|aaa|a")]
    [InlineData(@"a{2}", "aaaaa", "aa|aa|a")]
    [InlineData(@"a+?b", "aab", "aab")]
    [InlineData(@"a*+a", "aaa", "aaa")]
    [InlineData(@"a++b", "aab", "aab")]
    [InlineData(@"\d+(?=x)", "12x34", "12|x34")]
    [InlineData(@"\d(?!\d)", "123", "12|3")]
    [InlineData(@"[^\S\n]+", " \t\nx", " \t|\nx")]
    [InlineData(@"[a-z&&[^aeiou]]+", "hello", "h|e|ll|o")]
    [InlineData(@"[\p{L}--]", "a-b", "a|-|b")]
    [InlineData(@"(?i:k)x", "KxkX", "Kx|kX")]
    [InlineData(@"\bfoo\b", "foo food foo", "foo| food |foo")]
    [InlineData(@"^a|b$", "aab\nab", "a|a|b|\n|a|b")]
    [InlineData(@"\x{1F600}|\u4E2D", "a😀中b", "a|😀|中|b")]
    [InlineData(@"[]a]", "x]a", "x|]|a")]
    [InlineData(@".", "a\nb", "a|\n|b")]
    [InlineData(@"(?>a+)b|c", "aabc", "aab|c")]
    public void Patterns_match_as_they_should(string pattern, string text, string pieces) =>
        Assert.Equal(pieces, string.Join('|', Split(text, [new PatternSplit(pattern)])));

    [Theory]
    [InlineData("(")]
    [InlineData(")")]
    [InlineData("[a")]
    [InlineData("*a")]
    [InlineData("(?<=a)b")]
    [InlineData("(a)\\1")]
    [InlineData("(a*)*")]
    [InlineData("a{5000}")]
    [InlineData("((((a{999}){999}){999}){999})")]
    [InlineData("\\p{Nonsense}")]
    [InlineData("[z-a]")]
    [InlineData("a\\")]
    public void Patterns_beyond_it_are_refused(string pattern) =>
        Assert.Contains(pattern, Assert.Throws<NotSupportedException>(() => new Pattern(pattern)).Message);

    [Fact]
    public void Nesting_without_end_is_refused() =>
        Assert.Throws<NotSupportedException>(() => new Pattern(new string('(', 100_000)));

    [Fact]
    public void Patterns_that_explode_are_stopped()
    {
        PatternSplit split = new("(?:a|aa)+$b");
        byte[] text = Encoding.UTF8.GetBytes(new string('a', 5000));
        Assert.Throws<InvalidDataException>(() => split.Next(text, 0, out _));
    }

    [Theory]
    [InlineData(true, false, "a|b")]
    [InlineData(false, true, "1|22")]
    public void Pieces_can_be_dropped(bool matches, bool gaps, string pieces) =>
        Assert.Equal(pieces, string.Join('|', Split("1a22b", [new PatternSplit(@"\d+", matches, gaps)])));

    internal static List<string> Split(string text, PreTokenizer[] stages)
    {
        List<string> words = [];
        Pieces pieces = new(Encoding.UTF8.GetBytes(text), stages);
        while (pieces.Next(out ReadOnlySpan<byte> piece))
            words.Add(Encoding.UTF8.GetString(piece));
        return words;
    }
}
