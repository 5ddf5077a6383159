using Sluice.Grammars;

namespace Sluice.Tests.Grammars;

public class GbnfTests
{
    private const string Arithmetic = """
        # What llama.cpp shows as an example, in its own words
        root  ::= (expr "=" ws term "\n")+
        expr  ::= term ([-+*/] term)*
        term  ::= ident | num | "(" ws expr ")" ws   # recursion
        ident ::= [a-z] [a-z0-9_]* ws
        num   ::= [0-9]+ ws
        ws    ::= [ \t\n]*
        """;

    [Theory]
    [InlineData(Arithmetic, "x = 1\n", true)]
    [InlineData(Arithmetic, "(a +b)*2=y_1\n1=1\n", true)]
    [InlineData(Arithmetic, "(a+b=1\n", false)]
    [InlineData("root ::= \"a\" | \"b\" | ", "", true)]
    [InlineData("root ::= (\n  \"a\" |\n  \"b\"\n)+", "abba", true)]
    [InlineData("root ::= \"a\" |\n  \"b\"", "b", true)]
    [InlineData("root ::= \"a\"{2}", "aa", true)]
    [InlineData("root ::= \"a\"{2}", "aaa", false)]
    [InlineData("root ::= \"a\"{2,}", "aaaa", true)]
    [InlineData("root ::= [a-c]{1,2} other?\nother ::= \"-\" root", "ab-c-a", true)]
    [InlineData("root ::= [^\"\\\\]*", "hé€😀", true)]
    [InlineData("root ::= [^\"\\\\]*", "a\"", false)]
    [InlineData("root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\"", "Aé😀\"\\", true)]
    [InlineData("root ::= [\\]\\-^]+", "]-^", true)]
    [InlineData("root ::= .{3}", "a€\n", true)]
    [InlineData("root::=\"a\"#comment\n\n\n", "a", true)]
    [InlineData("root ::= a\r\na ::= \"x\"\r\n", "x", true)]
    public void Texts_are_told_apart(string grammar, string text, bool isMatch) => Assert.Equal(isMatch, Grammar.FromGbnf(grammar).IsMatch(text));

    [Theory]
    [InlineData("", "root")]
    [InlineData("a ::= \"x\"", "root")]
    [InlineData("root ::= other", "'other'")]
    [InlineData("root ::= \"a", "ends too early")]
    [InlineData("root ::= [a", "ends too early")]
    [InlineData("root ::= (\"a\"", "no end")]
    [InlineData("root ::= \"a\")", "should end")]
    [InlineData("root ::= \"a\"{2,1}", "repetition")]
    [InlineData("root ::= \"\\q\"", "escape")]
    [InlineData("root \"a\"", "'::='")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "twice")]
    [InlineData("root ::= root \"a\" | \"a\"", "left recursion")]
    [InlineData("root ::= a? b\na ::= \"x\"\nb ::= c\nc ::= \"\" root | \"y\"", "left recursion")]
    [InlineData("root ::= \"a\" root", "No text can ever match")]
    public void What_is_wrong_is_said(string grammar, string what) =>
        Assert.Contains(what, Assert.Throws<GrammarException>(() => Grammar.FromGbnf(grammar)).Message);

    [Fact]
    public void Lists_that_call_themselves_last_need_no_memory_for_calls()
    {
        Grammar grammar = Grammar.FromGbnf("root ::= [a-z] \",\" root | [a-z]");
        Assert.True(grammar.IsMatch(string.Join(',', Enumerable.Repeat('x', 20_000))));
    }

    [Fact]
    public void Brackets_are_counted()
    {
        Grammar grammar = Grammar.FromGbnf("root ::= \"(\" root* \")\" | \"[\" root* \"]\"");
        Assert.True(grammar.IsMatch("([()][[]])"));
        Assert.False(grammar.IsMatch("([()][[])]"));
        string deep = new('(', 900);
        Assert.True(grammar.IsMatch(deep + new string(')', 900)));
        Assert.Contains("nests", Assert.Throws<InvalidOperationException>(() => grammar.IsMatch(new string('(', 2000))).Message);
    }
}
