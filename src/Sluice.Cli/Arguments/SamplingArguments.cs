using System.CommandLine;
using System.Globalization;
using Sluice.Sampling;

namespace Sluice.Cli.Arguments;

/// <summary>How a text is continued.</summary>
internal sealed class SamplingArguments
{
    private static readonly SamplingOptions Defaults = new();

    private readonly Option<int> _maxTokens;
    private readonly Option<float> _temperature = Parsing.Number(
        "--temperature", "How freely tokens are chosen; 0 takes the likeliest always.", 0, float.MaxValue, Defaults.Temperature);
    private readonly Option<int> _topK = Parsing.Integer("--top-k", "Choose among this many of the likeliest tokens; 0: all.", 0, Defaults.TopK);
    private readonly Option<float> _topP = Parsing.Number(
        "--top-p", "Choose among the likeliest tokens that have this probability together; 1: all.", 0, 1, Defaults.TopP);
    private readonly Option<float> _minP = Parsing.Number(
        "--min-p", "Choose among tokens at least this times as likely as the likeliest; 0: all.", 0, 1, Defaults.MinP);
    private readonly Option<float> _typical = Parsing.Number(
        "--typical", "Choose among the most typical tokens that have this probability together; 1: all.", 0, 1, Defaults.Typical);
    private readonly Option<float> _repetition = Parsing.Number(
        "--repetition-penalty", "Makes tokens of the recent text less likely; 1: off.", float.Epsilon, float.MaxValue, Defaults.RepetitionPenalty);
    private readonly Option<float> _presence = Parsing.Number(
        "--presence-penalty", "Taken from the logits of tokens of the recent text.", float.MinValue, float.MaxValue, Defaults.PresencePenalty);
    private readonly Option<float> _frequency = Parsing.Number(
        "--frequency-penalty", "The same, times their count.", float.MinValue, float.MaxValue, Defaults.FrequencyPenalty);
    private readonly Option<int> _window = Parsing.Integer(
        "--penalty-window", "How many tokens the recent text has for the penalties; -1: all.", -1, Defaults.PenaltyWindow);
    private readonly Option<ulong?> _seed = Parsing.Seed("--seed", "Where random numbers start: the same seed, the same text.");
    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "End the text before this string; may be given several times.",
        HelpName = "TEXT",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };
    private readonly Option<KeyValuePair<int, float>[]> _bias = new("--logit-bias")
    {
        Description = "Added to a token's logit, as 1234=-5; may be given several times.",
        HelpName = "ID=X",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = result => [.. result.Tokens.Select(token => ParseBias(token.Value, result.AddError))],
    };
    private readonly GrammarArguments _grammar = new();
    private readonly Option<bool> _ignoreEnd = new("--ignore-end") { Description = "Go on after a token that ends a text." };

    public SamplingArguments(int maxTokens)
    {
        _maxTokens = Parsing.Integer("--max-tokens", "The most tokens to generate; 0: until the context is full.", 0, maxTokens, "-n");
        _stop.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => token.Value.Length == 0))
                result.AddError("--stop takes a text; this one is empty.");
        });
    }

    public void AddTo(Command command)
    {
        ReadOnlySpan<Option> options =
        [
            _maxTokens, _temperature, _topK, _topP, _minP, _typical, _repetition, _presence, _frequency, _window, _seed, _stop, _bias,
            _ignoreEnd,
        ];
        foreach (Option option in options)
            command.Add(option);
        _grammar.AddTo(command);
    }

    /// <summary>A request but for its prompt.</summary>
    public Request Request(ParseResult parsed) => new()
    {
        Prompt = [],
        MaxTokens = parsed.GetValue(_maxTokens) is > 0 and int tokens ? tokens : null,
        Stop = parsed.GetValue(_stop) ?? [],
        IgnoreEnd = parsed.GetValue(_ignoreEnd),
        Grammar = _grammar.Read(parsed),
        Sampling = new SamplingOptions
        {
            Temperature = parsed.GetValue(_temperature),
            TopK = parsed.GetValue(_topK),
            TopP = parsed.GetValue(_topP),
            MinP = parsed.GetValue(_minP),
            Typical = parsed.GetValue(_typical),
            RepetitionPenalty = parsed.GetValue(_repetition),
            PresencePenalty = parsed.GetValue(_presence),
            FrequencyPenalty = parsed.GetValue(_frequency),
            PenaltyWindow = parsed.GetValue(_window),
            Seed = parsed.GetValue(_seed),
            LogitBias = parsed.GetValue(_bias) is { Length: > 0 } bias
                ? bias.GroupBy(pair => pair.Key).ToDictionary(pairs => pairs.Key, pairs => pairs.Sum(pair => pair.Value))
                : null,
        },
    };

    private static KeyValuePair<int, float> ParseBias(string text, Action<string> addError)
    {
        string[] parts = text.Split('=');
        if (parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int token)
            && float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out float bias) && !float.IsNaN(bias))
            return new(token, bias);
        addError($"--logit-bias takes a token id and a number, as 1234=-5; '{text}' is not.");
        return default;
    }
}
