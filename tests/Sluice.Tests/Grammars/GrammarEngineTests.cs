using System.Text.Json;
using Json.Schema;
using Sluice.Grammars;
using Sluice.Sampling;
using Sluice.TestData;
using Sluice.Tests.Engine;
using Sluice.Tokenizers;

namespace Sluice.Tests.Grammars;

/// <summary>A model that writes what a grammar allows, alone and beside others.</summary>
public class GrammarEngineTests
{
    private const string Schema = """
        {"type":"object","properties":{"name":{"type":"string","minLength":2,"maxLength":12},"age":{"type":"integer","minimum":1,"maximum":99},
        "pets":{"type":"array","items":{"enum":["cat","dog","bird"]},"minItems":1,"maxItems":3}},"required":["name","age","pets"],"additionalProperties":false}
        """;

    private static readonly string Model = Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void In_a_batch_set_aside_or_not_it_writes_what_it_writes_alone(bool isTight)
    {
        Grammar schema = Grammar.FromJsonSchema(Schema), regex = Grammar.FromRegex("[A-Z][a-z]{3,9}( [a-z]{2,8}){12,14}\\.");
        Request[] requests =
        [
            Ask("Once upon a time", schema, SamplingOptions.Greedy),
            Ask("Once upon a time", schema, new SamplingOptions { Seed = 5, Temperature = 1 }),
            Ask("Once upon a time", null, SamplingOptions.Greedy) with { MaxTokens = 60 },
            Ask("Lily had a dog and", regex, new SamplingOptions { Seed = 6 }),
            Ask("Lily had a dog and", Grammar.FromChoice(["yes", "no"]), new SamplingOptions { Seed = 7, LogProbs = 2 }),
            Ask("Tom was", schema, new SamplingOptions { Seed = 8, TopK = 0, TopP = 1, MinP = 0, Temperature = 1.5f, RepetitionPenalty = 1.2f }),
        ];
        string[] alone = [.. requests.Select(request => Run([request], Options())[0])];
        EngineOptions options = isTight ? Options() with { Sequences = 1, Context = 224 } : Options() with { Sequences = 8 };
        Assert.Equal(alone, Run(requests, options, mustPreempt: isTight));

        JsonSchema validator = JsonSchema.FromText(Schema);
        foreach (int i in (int[])[0, 1, 5])
            Assert.True(validator.Evaluate(JsonDocument.Parse(alone[i]).RootElement).IsValid, alone[i]);
        Assert.Matches("^[A-Z][a-z]{3,9}( [a-z]{2,8}){12,14}\\.$", alone[3]);
        Assert.Contains(alone[4], (string[])["yes", "no"]);
        Assert.NotEqual(alone[0], alone[1]);
    }

    [Fact]
    public void It_ends_where_nothing_can_follow_and_where_the_model_ends_it()
    {
        using SteppedEngine engine = new(Model, Options());
        // Nothing can follow: the last token has text of its own. Even where ends are to be ignored.
        SteppedEngine.Open complete = engine.Submit(Ask("A", Grammar.FromRegex("[a-c]{5}"), SamplingOptions.Greedy) with { IgnoreEnd = true });
        // The text may end: this bias ends it at once.
        int end = engine.Engine.Tokenizer!.EndOfGeneration.First();
        Dictionary<int, float> bias = engine.Engine.Tokenizer.EndOfGeneration.ToDictionary(id => id, _ => 100f);
        SteppedEngine.Open ended = engine.Submit(Ask("A", Grammar.FromRegex("[a-c]{5,}"), new SamplingOptions { LogitBias = bias }) with { IgnoreEnd = true });
        SteppedEngine.Open cut = engine.Submit(Ask("A", Grammar.FromRegex("[a-c]{50}"), SamplingOptions.Greedy) with { MaxTokens = 1 });
        engine.RunToEnd();
        Assert.Equal(FinishReason.Complete, complete.Tokens[^1].Finish);
        Assert.Equal(5, Text(complete).Length);
        Assert.NotEqual("", complete.Tokens[^1].Text);
        Assert.Equal((FinishReason.EndOfText, ""), (ended.Tokens[^1].Finish, ended.Tokens[^1].Text));
        Assert.Contains(ended.Tokens[^1].Id, bias.Keys);
        Assert.InRange(Text(ended).Length, 5, 30);
        Assert.Equal(FinishReason.MaxTokens, cut.Tokens[^1].Finish);
        Assert.True(end >= 0);
    }

    [Fact]
    public void Log_probabilities_are_the_models()
    {
        using SteppedEngine engine = new(Model, Options());
        SamplingOptions sampling = SamplingOptions.Greedy with { LogProbs = 3 };
        SteppedEngine.Open free = engine.Submit(Ask("Once upon a time", null, sampling) with { MaxTokens = 1 });
        SteppedEngine.Open bound = engine.Submit(Ask("Once upon a time", Grammar.FromRegex("[{]x+"), sampling) with { MaxTokens = 1 });
        engine.RunToEnd();
        Assert.Equal(free.Tokens[0].TopLogProbabilities, bound.Tokens[0].TopLogProbabilities);
        Assert.Equal("{", bound.Tokens[0].Text);
        Assert.True(bound.Tokens[0].LogProbability < bound.Tokens[0].TopLogProbabilities[^1].LogProbability);
    }

    [Fact]
    public void A_request_that_cannot_go_on_fails_alone()
    {
        using SteppedEngine engine = new(Model, Options() with { Sequences = 4 });
        Dictionary<int, float> bias = Enumerable.Range(0, engine.Engine.Tokenizer!.VocabularySize)
            .Where(id => engine.Engine.Tokenizer.PieceText(id).Contains('q')).ToDictionary(id => id, _ => float.NegativeInfinity);
        engine.Submit(Ask("A", Grammar.FromRegex("qqq"), new SamplingOptions { LogitBias = bias }));
        SteppedEngine.Open other = engine.Submit(Ask("A", Grammar.FromRegex("abc"), SamplingOptions.Greedy));
        engine.RunToEnd();
        Assert.Equal("abc", Text(other));
        Assert.Equal((1, 1), (engine.Statistics.Failed, engine.Statistics.Completed));
    }

    [Fact]
    public void A_grammar_has_parts_with_control_tokens()
    {
        Tokenizer tokenizer = Vocabulary.Golden("qwen2");
        using JsonDocument parameters = JsonDocument.Parse("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}""");
        Grammar grammar = new(GrammarPart.Sequence(
            GrammarPart.TextWithout("<|im_start|>"),
            GrammarPart.Sequence(GrammarPart.Text("<|im_start|>call ", tokenizer), GrammarPart.JsonSchema(parameters.RootElement)).Repeat(1, 2)));
        int[] text = tokenizer.Encode("""I look <|im_start|>call {"city": "Rome"}<|im_start|>call {"city": "Bern"}""", addSpecial: false, parseSpecial: true);
        GrammarMatcher matcher = grammar.Match(tokenizer);
        foreach (int token in text)
        {
            Assert.NotEqual(0UL, matcher.Allowed[token / 64] >> (token % 64) & 1);
            matcher.Accept(token);
        }
        Assert.True(matcher.IsComplete);
        // The name's letters are not the token.
        matcher = grammar.Match(tokenizer);
        foreach (int token in tokenizer.Encode("<|im_start|", addSpecial: false))
            matcher.Accept(token);
        Assert.False(matcher.Allows(tokenizer.Encode(">", addSpecial: false)[0]));
    }

    private static EngineOptions Options() => new() { Threads = 1, KvFormat = "f32", Context = 256, Sequences = 2, StepTokens = 32 };

    private static Request Ask(string prompt, Grammar? grammar, SamplingOptions sampling) => new()
    {
        Prompt = Vocabulary.Starter.Encode(prompt),
        Grammar = grammar,
        Sampling = sampling,
        MaxTokens = 180,
    };

    private static string[] Run(Request[] requests, EngineOptions options, bool mustPreempt = false)
    {
        using SteppedEngine engine = new(Model, options);
        SteppedEngine.Open[] open = [.. requests.Select(engine.Submit)];
        engine.RunToEnd();
        Assert.Equal(0, engine.Statistics.Failed);
        Assert.True(!mustPreempt || open.Any(request => request.Completion.Preemptions > 0 && request.Tokens.Count > 10), "none was set aside");
        return [.. open.Select(Text)];
    }

    private static string Text(SteppedEngine.Open open) => string.Concat(open.Tokens.Select(token => token.Text));
}
