using System.CommandLine;
using System.Globalization;
using Sluice.Tensors;

namespace Sluice.Cli.Arguments;

/// <summary>An adapter that the model has for all that a command does.</summary>
internal sealed class AdapterArguments
{
    private const string Name = "lora";

    private readonly Option<(string Path, float Scale)?> _lora = new("--lora")
    {
        Description = "A low-rank adapter for the model: a GGUF file or a PEFT folder, and perhaps a factor of what it adds (1 if not given).",
        HelpName = "PATH[:SCALE]",
        CustomParser = result => Parse(result.Tokens[^1].Value),
    };

    public void AddTo(Command command) => command.Add(_lora);

    /// <summary>Loads it.</summary>
    /// <returns>What requests call it; null where none was asked for.</returns>
    public string? Load(ParseResult parsed, Engine engine) =>
        parsed.GetValue(_lora) is { } lora ? engine.LoadAdapter(Name, lora.Path, lora.Scale).Name : null;

    /// <summary>The same, for sequences of a runner.</summary>
    public Adapter? Load(ParseResult parsed, Runner runner) =>
        parsed.GetValue(_lora) is { } lora ? runner.LoadAdapter(Name, lora.Path, lora.Scale) : null;

    private static (string Path, float Scale) Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        bool hasScale = colon > 0 && float.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out float scale)
            && float.IsFinite(scale) && !Path.Exists(text);
        return hasScale ? (text[..colon], float.Parse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture)) : (text, 1);
    }
}
