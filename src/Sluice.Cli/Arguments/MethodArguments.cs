using System.CommandLine;
using Sluice.Compression;
using Sluice.Tensors.Formats;

namespace Sluice.Cli.Arguments;

/// <summary>The options of <c>sluice quantize</c> that choose how weights are rounded.</summary>
internal sealed class MethodArguments
{
    private readonly RoundingArguments _rounding = new(QuantizationMethod.Names, "gptq, awq, smoothquant and mixed precision");
    private readonly Option<int> _bits = Parsing.Integer("--bits", "Round the layers' weights to integers of so many bits (2 to 8), and store them in the float type of --type.", 2, 8, null);
    private readonly Option<int> _group = Parsing.Integer("--group-size", "With --bits: weights that share a scale; 0 for a whole row.", 0, 128);
    private readonly Option<bool> _symmetric = new("--symmetric") { Description = "With --bits: no zero points." };

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
        _rounding.AddTo(command);
        foreach (Option option in (Option[])[_bits, _group, _symmetric, _static, _rotate, _online])
            command.Add(option);
    }

    /// <summary>What was asked for.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="mix">The types; null where they are to be found.</param>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public QuantizationMethod Read(ParseResult parsed, TypeMix? mix)
    {
        (string name, int bits, bool isStatic) = (_rounding.Name(parsed), parsed.GetValue(_bits), parsed.GetValue(_static));
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
        string? need = mix is null ? "Finding types" : isStatic ? "--static-activations" : null;
        return _rounding.Read(parsed, need, mix is null ? MixedPrecision.HeldOut : 0) with
        {
            Grid = bits == 0 ? null : Grid(bits, parsed.GetValue(_group), parsed.GetValue(_symmetric)),
            StaticActivations = isStatic,
        };
    }

    private static GridFactory Grid(int bits, int group, bool isSymmetric) =>
        columns => new IntegerGrid(bits, group == 0 ? columns : Math.Min(group, columns), isSymmetric);
}
