using System.Text;
using System.Text.RegularExpressions;
using Sluice.Grammars;
using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;

namespace Sluice.Tests.Grammars;

/// <summary>Regular expressions against .NET's.</summary>
public class RegexTests
{
    private const string Alphabet = "aabbcAB01_-. \n\té€\"\\";

    public static TheoryData<string> Patterns =>
    [
        "a*b", "a+b?c{2,3}", "(a|b)*c", "(?:ab|a)(?:c|bc)", "[abc]+", "[^abc]*", "[a-c0-1]{2,4}", "\\d+", "\\D{2}", "\\w+\\W\\w+", "\\s*\\S", ".", ".*", "a.c",
        "(a{2}){2}", "(a{1,2}b){2,3}", "((a|b){2,3}c){1,2}", "(a*)*b", "(a?){3}b", "(a|)+c", "a{0}b", "a{2,}", "(ab{0,2}){2,}c", "[\\d_-]+", "[a\\-z]+", "[-a]+", "\\.\\-",
        "é|€", "[é-€]+", "\"\\\\", "a|b|", "(?<x>a)b", "a??b*?c+?", "^a$", "^a|b$", "^(?:a|b)+$", "\\u0061\\x62", "\\t|\\n", "[\\s\\S]{3}", "[^]a", "\\p{L}+", "\\P{L}+", "\\p{Lu}a*",
    ];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Texts_match_as_in_dotnet(string pattern)
    {
        Automaton whole = new(Program.Of(new Rule("root") { Body = RegexParser.Parse(pattern, Utf8Bytes.Of, isSearch: false) }));
        Automaton within = new(Program.Of(new Rule("root") { Body = RegexParser.Parse(pattern, Utf8Bytes.Of, isSearch: true) }));
        // ECMAScript's $ is at the very end, and its [^] is any character; it has no \p where .NET has its option.
        string translated = pattern.Replace("[^]", "[\\s\\S]");
        RegexOptions options = pattern.Contains("\\p", StringComparison.OrdinalIgnoreCase) ? RegexOptions.None : RegexOptions.ECMAScript;
        Regex wholeExpected = new($"^(?:{translated})(?![\\s\\S])", options);
        Regex withinExpected = new(translated.EndsWith('$') ? translated[..^1] + "(?![\\s\\S])" : translated, options);
        Random random = new(1);
        int matches = 0;
        for (int i = 0; i < 3000; i++)
        {
            string text = new([.. Enumerable.Range(0, random.Next(i < 1500 ? 4 : 9)).Select(_ => Alphabet[random.Next(i % 2 == 0 ? 5 : Alphabet.Length)])]);
            bool isMatch = Matches(whole, text);
            matches += isMatch ? 1 : 0;
            Assert.True(wholeExpected.IsMatch(text) == isMatch, $"{pattern} on '{text}': {isMatch}");
            Assert.True(withinExpected.IsMatch(text) == Matches(within, text), $"{pattern} within '{text}'");
        }
        Assert.True(matches > 0, "none matched");
    }

    [Fact]
    public void Braces_that_are_no_repetition_are_braces()
    {
        Assert.True(Grammar.FromRegex("a{,2}x{y}").IsMatch("a{,2}x{y}"));
        Assert.False(Grammar.FromRegex("a{,2}").IsMatch("aa"));
    }

    [Theory]
    [InlineData("(?=a)b", "lookaround")]
    [InlineData("(?<!a)b", "lookaround")]
    [InlineData("(a)\\1", "\\1")]
    [InlineData("\\bword", "word boundaries")]
    [InlineData("a(^b)", "'^'")]
    [InlineData("(a$)b", "'$'")]
    [InlineData("(?i)a", "options")]
    [InlineData("a++", "possessive")]
    [InlineData("*a", "nothing to repeat")]
    [InlineData("(a", "no end")]
    [InlineData("a)", "unmatched")]
    [InlineData("[a", "ends too early")]
    [InlineData("[z-a]", "range")]
    [InlineData("a{3,2}", "before it begins")]
    [InlineData("a{99999999999}", "repetitions")]
    [InlineData("\\p{Foo}", "categories")]
    [InlineData("\\", "ends too early")]
    [InlineData("\\ud83d", "surrogate")]
    public void What_is_not_supported_is_named(string pattern, string what) =>
        Assert.Contains(what, Assert.Throws<GrammarException>(() => Grammar.FromRegex(pattern)).Message);

    [Fact]
    public void Texts_chosen_at_random_match()
    {
        const string Pattern = "(?:[A-Z][a-z]{2,9} ){1,3}\\d{4}(?:, (?:yes|no))?";
        Grammar grammar = Grammar.FromRegex(Pattern);
        Random random = new(1);
        for (int i = 0; i < 100; i++)
            Assert.Matches($"^{Pattern}$", Vocabulary.RandomText(grammar, Vocabulary.Starter, random));
    }

    [Fact]
    public void What_two_match_and_what_one_alone_matches()
    {
        Random random = new(1);
        string[] patterns = ["(ab|a)*", "[ab]{2,4}", "a*b?c*", "(a|b|c){3}", "[^a]+"];
        foreach (string one in patterns)
        {
            foreach (string other in patterns)
            {
                Regex first = new($"^(?:{one})$"), second = new($"^(?:{other})$");
                Automaton both = Make(Product.Both(Parse(one), Parse(other))), without = Make(Product.Without(Parse(one), Parse(other)));
                for (int i = 0; i < 300; i++)
                {
                    string text = new([.. Enumerable.Range(0, random.Next(6)).Select(_ => "abc"[random.Next(3)])]);
                    Assert.Equal(first.IsMatch(text) && second.IsMatch(text), Matches(both, text));
                    Assert.Equal(first.IsMatch(text) && !second.IsMatch(text), Matches(without, text));
                }
            }
        }

        static Expression Parse(string pattern) => RegexParser.Parse(pattern, Utf8Bytes.Of, isSearch: false);

        // Nothing may match: then beside what never comes.
        static Automaton Make(Expression expression) => new(Program.Of(new Rule("root") { Body = Expression.Any(expression, Expression.Text("#")) }));
    }

    [Fact]
    public void Sets_of_characters_are_written_in_UTF8()
    {
        Random random = new(1);
        int[] edges = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0x10FFFF];
        for (int i = 0; i < 60; i++)
        {
            int[] ends = [Pick(), Pick()];
            CodePoints set = CodePoints.Of((ends.Min(), ends.Max()));
            if (set.Ranges.Count == 0)
                continue;
            Automaton automaton = new(Program.Of(new Rule("root") { Body = Utf8Bytes.Of(set) }));
            for (int j = 0; j < 200; j++)
            {
                if (Rune.TryCreate(Pick(), out Rune rune))
                    Assert.Equal(set.Contains(rune.Value), Matches(automaton, rune.ToString()));
            }
        }

        int Pick() => random.Next(2) == 0 ? Math.Clamp(edges[random.Next(edges.Length)] + random.Next(-2, 3), 0, 0x10FFFF) : random.Next(0x110000);
    }

    private static bool Matches(Automaton automaton, string text)
    {
        State state = automaton.Start();
        foreach (byte value in Encoding.UTF8.GetBytes(text))
            state = automaton.Step(state, value);
        return state.IsEnd;
    }
}
