using System.CommandLine;
using System.Globalization;
using Sluice.Tensors;

namespace Sluice.Cli.Arguments;

/// <summary>An adapter that the model has for all that a command does.</summary>
internal sealed class AdapterArguments
{
    private const string Name = "lora";

    private readonly Option<(string Path, float Scale)[]> _lora;

    /// <param name="areSeveral">Whether several may be given, for sequences that have them in turn.</param>
    public AdapterArguments(bool areSeveral = false) => _lora = new("--lora")
    {
        Description = "A low-rank adapter for the model: a GGUF file or a PEFT folder, and perhaps a factor of what it adds (1 if not given)."
            + (areSeveral ? " Of several, sequences have them in turn." : ""),
        HelpName = "PATH[:SCALE]",
        Arity = areSeveral ? ArgumentArity.OneOrMore : ArgumentArity.ExactlyOne,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = result => [.. result.Tokens.Select(token => Parse(token.Value))],
    };

    public void AddTo(Command command) => command.Add(_lora);

    /// <summary>Loads it.</summary>
    /// <returns>What requests call it; null where none was asked for.</returns>
    public string? Load(ParseResult parsed, Engine engine) =>
        parsed.GetValue(_lora) is [var lora] ? engine.LoadAdapter(Name, lora.Path, lora.Scale).Name : null;

    /// <summary>The same, for sequences of a runner; all that were given.</summary>
    public Adapter?[] Load(ParseResult parsed, Runner runner) => parsed.GetValue(_lora) is { Length: > 0 } all
        ? Array.ConvertAll<(string Path, float Scale), Adapter?>(all, lora => runner.LoadAdapter(Name, lora.Path, lora.Scale))
        : [null];

    private static (string Path, float Scale) Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        bool hasScale = colon > 0 && float.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out float scale)
            && float.IsFinite(scale) && !Path.Exists(text);
        return hasScale ? (text[..colon], float.Parse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture)) : (text, 1);
    }
}
