using System.CommandLine;
using Sluice.Compression;

namespace Sluice.Cli.Arguments;

/// <summary>The options that choose how weights are rounded, and on which text that is calibrated.</summary>
/// <param name="methods">The methods to choose from, rtn first.</param>
/// <param name="users">Who calibrates on a text, for the help.</param>
internal sealed class RoundingArguments(IReadOnlyList<string> methods, string users)
{
    private readonly Option<string?> _method = Parsing.Choice(
        "--method", "How weights are rounded: each to nearest (rtn), or by what calibration text says of their inputs.", methods, methods[0]);

    private readonly Option<string?> _text = new("--calibration")
    {
        Description = $"The text that {users} calibrate on: such as the model is for.",
        HelpName = "PATH",
    };

    private readonly Option<int> _tokens = Parsing.Integer("--calibration-tokens", "How many tokens of the text are run, spread over it.", 16, new CalibrationOptions().Tokens);
    private readonly Option<int> _length = Parsing.Integer("--calibration-context", "Tokens of a chunk of it.", 8, new CalibrationOptions().ChunkLength);
    private readonly Option<long> _memory = Parsing.Size("--calibration-memory", "What statistics of inputs may take; with less, layers are run more often. 640M if not given.");
    private readonly Option<bool> _actOrder = new("--act-order") { Description = "gptq: round the columns of the largest inputs first." };

    private readonly Option<bool> _staticGroups = new("--static-groups")
    {
        Description = "gptq: fit scales to the weights as they were, so that groups stay columns side by side with --act-order too.",
    };

    private readonly Option<float> _damping = Parsing.Number("--damping", "gptq: what is added to the inputs' second moments, as a share of their mean.", 0, 1, 0.01f);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_method, _text, _tokens, _length, _memory, _actOrder, _staticGroups, _damping])
            command.Add(option);
    }

    /// <summary>The method's name.</summary>
    public string Name(ParseResult parsed) => parsed.GetValue(_method)!;

    /// <summary>What was asked for.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="need">What else the text is for, by the words of a message; null for nothing.</param>
    /// <param name="heldOut">The share of the text that is kept for measurements.</param>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public QuantizationMethod Read(ParseResult parsed, string? need = null, double heldOut = 0)
    {
        (string name, string? text) = (Name(parsed), parsed.GetValue(_text));
        bool calibrates = name != "rtn" || need is not null;
        if (calibrates && text is null)
            throw new UsageException($"{need ?? "--method " + name} needs a text to calibrate on: --calibration PATH.");
        if (!calibrates && text is not null)
            throw new UsageException($"--calibration is of no use to --method rtn; choose one of {string.Join(", ", methods.Skip(1))}.");
        if (!calibrates && new Option[] { _tokens, _length, _memory }.FirstOrDefault(parsed.IsGiven) is { } lost)
            throw new UsageException($"{lost.Name} is of no use without --calibration; --method rtn does not calibrate.");
        if (name != "gptq" && (parsed.IsGiven(_actOrder) || parsed.IsGiven(_staticGroups) || parsed.IsGiven(_damping)))
            throw new UsageException("--act-order, --static-groups and --damping are options of --method gptq.");
        return new QuantizationMethod(name)
        {
            Text = text is null ? null : File.ReadAllText(text),
            Calibration = new CalibrationOptions
            {
                Tokens = parsed.GetValue(_tokens),
                HeldOut = heldOut,
                ChunkLength = parsed.GetValue(_length),
                Memory = parsed.GetValue(_memory) is > 0 and var memory ? memory : new CalibrationOptions().Memory,
            },
            ActOrder = parsed.GetValue(_actOrder),
            StaticGroups = parsed.GetValue(_staticGroups),
            Damping = parsed.GetValue(_damping),
        };
    }
}
