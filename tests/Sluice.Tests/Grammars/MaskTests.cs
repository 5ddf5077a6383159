using System.Text;
using Sluice.Grammars;
using Sluice.Tokenizers;

namespace Sluice.Tests.Grammars;

/// <summary>Masks say of every token what trying it says.</summary>
public class MaskTests
{
    private const string Nested = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":20},"items":{"type":"array","maxItems":3,"items":{
        "type":"object","properties":{"id":{"type":"integer","minimum":1},"tag":{"enum":["on","off","other thing"]},"more":{}}}},
        "note":{"type":"string","pattern":"^[a-zé€😀]+( [a-z]+)*$"}},"required":["name"]}
        """;

    // Masks of places that differ in how much of a length is left are made of each other.
    private const string Lengths = """
        {"type":"array","minItems":6,"maxItems":40,"items":{"anyOf":[{"type":"string","minLength":11,"maxLength":13},{"type":"string","maxLength":80},
        {"type":"string","pattern":"^([a-z]{1,70}-){2,9}[ 0-9]{6,140}$"},{"type":"string","format":"hostname"},{"type":"integer","minimum":0,"maximum":123456789}]}}
        """;

    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach (string vocabulary in (string[])["qwen2", "llama-spm", "phi-3"])
            {
                foreach (string grammar in (string[])["schema", "lengths", "json", "regex", "gbnf", "choice"])
                    cases.Add(vocabulary, grammar);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Masks_are_what_trying_each_token_says(string vocabulary, string kind)
    {
        Tokenizer tokenizer = Vocabulary.Golden(vocabulary);
        Grammar grammar = kind switch
        {
            "schema" => Grammar.FromJsonSchema(Nested),
            "lengths" => Grammar.FromJsonSchema(Lengths),
            "json" => Grammar.JsonObject,
            "regex" => Grammar.FromRegex("""(?:[^\n"]{3,40}|é+€*)+ ?😀{2,3}\.?"""),
            "gbnf" => Grammar.FromGbnf("root ::= expr (\"\\n\" expr){1,4}\nexpr ::= term ([-+*/] term)*\nterm ::= [0-9]{1,7} | \"(\" expr \")\" | [a-zA-Zäöü]+"),
            _ => Grammar.FromChoice(["yes", "yesterday", "no", "night and day", "äöü"]),
        };
        Random random = new(1);
        int states = 0;
        while (states < 12)
        {
            GrammarMatcher matcher = grammar.Match(tokenizer);
            for (int i = 0; i < 40 && !matcher.IsComplete; i++)
            {
                List<int> allowed = [];
                Vocabulary.Each(matcher.Allowed, allowed);
                if (i % 5 == states % 5)
                {
                    Assert.Equal(Enumerable.Range(0, tokenizer.VocabularySize).Where(matcher.Allows), allowed);
                    states++;
                }
                matcher.Accept(allowed[random.Next(allowed.Count)]);
            }
            states++;
        }
    }

    [Fact]
    public void A_token_may_end_within_a_character()
    {
        Tokenizer tokenizer = Vocabulary.Golden("qwen2");
        GrammarMatcher matcher = Grammar.FromChoice(["😀!", "😁?"]).Match(tokenizer);
        byte[] text = Encoding.UTF8.GetBytes("😁?");
        foreach (byte value in text)
        {
            Assert.False(matcher.CanEnd);
            int token = Enumerable.Range(0, 256).First(id => tokenizer.Piece(id).SequenceEqual([value]));
            Assert.True(matcher.Allows(token));
            Assert.NotEqual(0UL, matcher.Allowed[token / 64] >> (token % 64) & 1);
            matcher.Accept(token);
        }
        Assert.True(matcher.IsComplete);
    }

    [Theory]
    [InlineData("qwen2")]
    [InlineData("llama-spm")]
    public void Tokens_that_end_a_text_come_where_it_may_end_and_control_tokens_never(string vocabulary)
    {
        Tokenizer tokenizer = Vocabulary.Golden(vocabulary);
        GrammarMatcher matcher = Grammar.FromRegex("[\\s\\S]{2,}").Match(tokenizer);
        List<int> first = [], later = [];
        Vocabulary.Each(matcher.Allowed, first);
        Assert.DoesNotContain(first, id => tokenizer.IsSpecial(id) || tokenizer.IsEndOfGeneration(id));
        matcher.Accept(tokenizer.Encode("the", addSpecial: false)[^1]);
        Vocabulary.Each(matcher.Allowed, later);
        Assert.Equal(tokenizer.EndOfGeneration.Order(), later.Where(id => tokenizer.IsSpecial(id) || tokenizer.IsEndOfGeneration(id)).Order());
        matcher.Accept(tokenizer.EndOfGeneration.First());
        Assert.True(matcher.IsComplete);
        Assert.Throws<InvalidOperationException>(() => matcher.Accept(first[0]));
    }

    /// <summary>Once states are known, a token costs no memory.</summary>
    [Fact]
    public void Known_states_allocate_nothing()
    {
        Tokenizer tokenizer = Vocabulary.Starter;
        Grammar grammar = Grammar.FromJsonSchema(Nested);
        List<int> tokens = [];
        Random random = new(3);
        for (GrammarMatcher matcher = grammar.Match(tokenizer); !matcher.IsComplete;)
        {
            List<int> allowed = [];
            Vocabulary.Each(matcher.Allowed, allowed);
            tokens.Add(allowed[random.Next(allowed.Count)]);
            matcher.Accept(tokens[^1]);
        }
        long allocated = 0;
        for (int round = 0; round < 3; round++)
        {
            GrammarMatcher matcher = grammar.Match(tokenizer);
            allocated = GC.GetAllocatedBytesForCurrentThread();
            foreach (int token in tokens)
            {
                if ((matcher.Allowed[token / 64] >> (token % 64) & 1) == 0)
                    Assert.Fail("It was allowed before.");
                matcher.Accept(token);
            }
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            Assert.True(matcher.IsComplete);
        }
        Assert.Equal(0, allocated);
    }
}
