using System.Diagnostics;
using System.Text;
using Sluice.Grammars;

namespace Sluice.Tests.Grammars;

/// <summary>Whatever a client sends ends soon: with a grammar, or with an error that says why not.</summary>
public class HostileTests(ITestOutputHelper output)
{
    private const double Soon = 60; // seconds; many times of what it takes (2.5 at most) on a machine that has nothing else to do

    public static TheoryData<string, string> Cases => new()
    {
        { "regex", "(((a{1,1000}){1,1000}){1,1000})b" },
        { "regex", "(?:[ab]{0,1000}){0,1000}" },
        { "regex", "(?:a*)*b" + new string('a', 3000) },
        { "regex", ".{0,2000}a.{2000}" },
        { "regex", "(?:a|ab|abc|b|bc|c){5000}" },
        { "regex", new string('(', 50_000) + new string(')', 50_000) },
        { "regex", new string('[', 50_000) },
        { "regex", string.Join('|', Enumerable.Range(0, 60_000).Select(i => $"w{i}")) },
        { "regex", string.Concat(Enumerable.Repeat("\\p{L}", 3000)) },
        { "regex", "(?:[ab]*a[ab]{14}){2}" },
        { "gbnf", "root ::= " + new string('(', 50_000) + "\"a\"" },
        { "gbnf", "root ::= \"a\"" + new string('*', 50_000) },
        { "gbnf", "root ::= r0\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"r{i} ::= r{i + 1} | \"x\"\n")) + "r20000 ::= \"y\"" },
        { "gbnf", "root ::= \"x\" a \"y\" | \"x\" b \"z\" | \"x\"\na ::= \"x\" b \"y\" | \"x\" a \"z\" | \"x\"\nb ::= \"x\" a \"y\" | \"x\" b \"z\" | \"x\"" },
        { "gbnf", "root ::= a a a a a a a a\na ::= b b b b b b b b\nb ::= c c c c c c c c\nc ::= [a-z]? [a-z]? [a-z]?" },
        { "gbnf", string.Concat(Enumerable.Repeat("root ::= \n", 20_000)) },
        { "schema", """{"type":"object","properties":{""" + string.Join(',', Enumerable.Range(0, 3000).Select(i => $"\"p{i}\":{{\"type\":\"string\"}}")) + "}}" },
        { "schema", """{"anyOf":[""" + string.Join(',', Enumerable.Range(0, 1900).Select(i => $"{{\"type\":\"object\",\"properties\":{{\"k{i}\":{{\"type\":\"integer\"}}}}}}")) + "]}" },
        { "schema", """{"allOf":[""" + string.Join(',', Enumerable.Repeat("""{"anyOf":[{"minimum":1},{"maximum":2},{"minLength":3}]}""", 30)) + "]}" },
        { "schema", string.Concat(Enumerable.Repeat("""{"type":"array","items":""", 60)) + "{}" + new string('}', 60) },
        { "schema", string.Concat(Enumerable.Repeat("[", 100_000)) },
        { "schema", """{"type":"string","pattern":"^.{0,400}a.{400}$","minLength":300}""" },
        { "schema", """{"type":"string","maxLength":1000000000,"minLength":999999999}""" },
        { "schema", """{"type":"array","items":{"type":"array","items":{"type":"string","maxLength":1000000},"maxItems":1000000},"minItems":1000000}""" },
        { "schema", """{"enum":[""" + string.Join(',', Enumerable.Range(0, 30_000).Select(i => $"\"value {i * 7919 % 30_011}\"")) + "]}" },
        { "schema", """{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}""" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void It_ends_soon(string kind, string text)
    {
        Stopwatch clock = Stopwatch.StartNew();
        TimeSpan longest = default;
        try
        {
            Grammar grammar = kind switch
            {
                "regex" => Grammar.FromRegex(text),
                "gbnf" => Grammar.FromGbnf(text),
                _ => Grammar.FromJsonSchema(text),
            };
            Assert.InRange(clock.Elapsed.TotalSeconds, 0, Soon);
            Random random = new(1);
            GrammarMatcher matcher = grammar.Match(Vocabulary.Starter);
            for (int i = 0; i < 60 && !matcher.IsComplete; i++)
            {
                clock.Restart();
                List<int> allowed = [];
                Vocabulary.Each(matcher.Allowed, allowed);
                matcher.Accept(allowed[random.Next(allowed.Count)]);
                longest = clock.Elapsed > longest ? clock.Elapsed : longest;
            }
        }
        catch (Exception error) when (error is GrammarException or InvalidOperationException)
        {
            output.WriteLine(error.Message);
            Assert.InRange(error.Message.Length, 20, 400);
        }
        output.WriteLine($"longest token {longest.TotalMilliseconds:f1} ms");
        longest = clock.Elapsed > longest ? clock.Elapsed : longest;
        Assert.InRange(longest.TotalSeconds, 0, Soon);
    }

    [Fact]
    public void Damaged_grammars_give_errors_of_their_own()
    {
        string[] texts =
        [
            """{"type":"object","properties":{"a":{"$ref":"#/$defs/x"},"b":{"anyOf":[{"type":"string","pattern":"^a+$"},{"enum":[1,null]}]}},"$defs":{"x":{"type":"array","items":{"type":"number","minimum":1.5},"minItems":1,"maxItems":2}},"required":["a"]}""",
            "^(?:[A-Z]{2,3}|\\d+\\.\\p{L}*)(?<n>x|y)?[^\\s\"]$",
            "root ::= \"a\"{1,3} [^x-z\\n]* (b | \"\\u00e9\")+ # c\nb ::= \"(\" root? \")\" | .",
        ];
        Random random = new(1);
        for (int i = 0; i < 3000; i++)
        {
            StringBuilder text = new(texts[i % 3]);
            for (int j = random.Next(1, 4); j > 0; j--)
            {
                int at = random.Next(text.Length);
                if (random.Next(2) == 0)
                    text.Remove(at, Math.Min(random.Next(1, 6), text.Length - at));
                else
                    text.Insert(at, "{}[]()\"\\:,|*+?^$-.#0a\n=\ud800"[random.Next(24)]);
            }
            try
            {
                _ = (i % 3) switch
                {
                    0 => Grammar.FromJsonSchema(text.ToString()),
                    1 => Grammar.FromRegex(text.ToString()),
                    _ => Grammar.FromGbnf(text.ToString()),
                };
            }
            catch (GrammarException)
            {
            }
        }
    }
}
