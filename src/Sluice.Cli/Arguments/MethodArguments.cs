using System.CommandLine;
using Sluice.Compression;
using Sluice.Tensors.Formats;

namespace Sluice.Cli.Arguments;

/// <summary>The options of <c>sluice quantize</c> that choose how weights are rounded.</summary>
internal sealed class MethodArguments
{
    private readonly Option<string?> _method = Parsing.Choice(
        "--method", "How weights are rounded: each to nearest (rtn), or by what calibration text says of their inputs.",
        QuantizationMethod.Names, QuantizationMethod.Names[0]);

    private readonly Option<string?> _text = new("--calibration")
    {
        Description = "The text that gptq, awq, smoothquant and mixed precision calibrate on: such as the model is for.",
        HelpName = "PATH",
    };

    private readonly Option<int> _tokens = Parsing.Integer("--calibration-tokens", "How many tokens of the text are run, spread over it.", 16, new CalibrationOptions().Tokens);
    private readonly Option<int> _length = Parsing.Integer("--calibration-context", "Tokens of a chunk of it.", 8, new CalibrationOptions().ChunkLength);
    private readonly Option<long> _memory = Parsing.Size("--calibration-memory", "What statistics of inputs may take; with less, layers are run more often. 640M if not given.");
    private readonly Option<int> _bits = Parsing.Integer("--bits", "Round the layers' weights to integers of so many bits (2 to 8), and store them in the float type of --type.", 2, 8, null);
    private readonly Option<int> _group = Parsing.Integer("--group-size", "With --bits: weights that share a scale; 0 for a whole row.", 0, 128);
    private readonly Option<bool> _symmetric = new("--symmetric") { Description = "With --bits: no zero points." };
    private readonly Option<bool> _actOrder = new("--act-order") { Description = "gptq: round the columns of the largest inputs first." };
    private readonly Option<float> _damping = Parsing.Number("--damping", "gptq: what is added to the inputs' second moments, as a share of their mean.", 0, 1, 0.01f);

    private readonly Option<bool> _static = new("--static-activations")
    {
        Description = "Also find scales of activations on the calibration text, for --activations int8-static and fp8-static.",
    };

    private readonly Option<bool> _rotate = new("--rotate")
    {
        Description = "Rotate the model first, which spreads outliers and changes nothing else (needs room for a copy of it beside OUT).",
    };

    private readonly Option<bool> _online = new("--rotate-online")
    {
        Description = "As --rotate, and rotate the inputs of each layer's output and down maps as the model runs: for few bits of activations. Other programs cannot run such a file.",
    };

    /// <summary>Whether the model is rotated before it is quantized.</summary>
    public bool Rotates(ParseResult parsed) => parsed.GetValue(_rotate) || RotatesOnline(parsed);

    /// <summary>Whether inputs are rotated as it runs, too.</summary>
    public bool RotatesOnline(ParseResult parsed) => parsed.GetValue(_online);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_method, _text, _tokens, _length, _memory, _bits, _group, _symmetric, _actOrder, _damping, _static, _rotate, _online])
            command.Add(option);
    }

    /// <summary>What was asked for.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="mix">The types; null where they are to be found.</param>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public QuantizationMethod Read(ParseResult parsed, TypeMix? mix)
    {
        (string name, string? text, int bits) = (parsed.GetValue(_method)!, parsed.GetValue(_text), parsed.GetValue(_bits));
        bool isStatic = parsed.GetValue(_static), calibrates = name != "rtn" || mix is null || isStatic;
        if (calibrates && text is null)
            throw new UsageException($"{(mix is null ? "Finding types" : isStatic ? "--static-activations" : "--method " + name)} needs a text to calibrate on: --calibration PATH.");
        if (!calibrates && text is not null)
            throw new UsageException("--calibration is of no use to --method rtn; choose gptq, awq or smoothquant.");
        if (name != "gptq" && (parsed.IsGiven(_actOrder) || parsed.IsGiven(_damping)))
            throw new UsageException("--act-order and --damping are options of --method gptq.");
        if (bits == 0 && (parsed.IsGiven(_group) || parsed.IsGiven(_symmetric)))
            throw new UsageException("--group-size and --symmetric need --bits.");
        if (mix is null && isStatic)
            throw new UsageException("--static-activations needs a --type; it does not go with --target-bpw, --target-size or --max-kl.");
        if (mix is null && (bits > 0 || name == "smoothquant"))
            throw new UsageException($"{(bits > 0 ? "--bits" : "--method smoothquant")} needs a --type; it does not go with --target-bpw, --target-size or --max-kl.");
        if (bits > 0 && WeightFormats.Get(mix!.Base).BlockSize > 1)
            throw new UsageException($"With --bits the rounded weights are stored as floats: --type F16, BF16 or F32, not {mix.Name}.");
        if (bits > 0 && name == "smoothquant")
            throw new UsageException("--bits is of no use to --method smoothquant, which writes Q8_0.");
        return new QuantizationMethod(name)
        {
            Text = text is null ? null : File.ReadAllText(text),
            Calibration = new CalibrationOptions
            {
                Tokens = parsed.GetValue(_tokens),
                HeldOut = mix is null ? MixedPrecision.HeldOut : 0,
                ChunkLength = parsed.GetValue(_length),
                Memory = parsed.GetValue(_memory) is > 0 and var memory ? memory : new CalibrationOptions().Memory,
            },
            Grid = bits == 0 ? null : Grid(bits, parsed.GetValue(_group), parsed.GetValue(_symmetric)),
            StaticActivations = isStatic,
            ActOrder = parsed.GetValue(_actOrder),
            Damping = parsed.GetValue(_damping),
        };

    }

    private static GridFactory Grid(int bits, int group, bool isSymmetric) => columns =>
    {
        int size = group == 0 || group > columns ? columns : group;
        return columns % size == 0
            ? new IntegerGrid(bits, size, isSymmetric)
            : throw new UsageException($"--group-size {group} does not divide rows of {columns} weights.");
    };
}
