using System.CommandLine;
using System.Globalization;
using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Tensors.Formats;

namespace Sluice.Cli.Arguments;

/// <summary>What a model of mixed precision shall come to: one of these is given.</summary>
/// <param name="BitsPerWeight">The most bits of a weight, all tensors counted.</param>
/// <param name="FileBytes">The most bytes of the file.</param>
/// <param name="Divergence">The most that it may diverge, in nats.</param>
internal sealed record MixedTarget(double? BitsPerWeight, long? FileBytes, double? Divergence);

/// <summary>The options of <c>sluice quantize</c> that ask for mixed precision in place of a type.</summary>
internal sealed class MixedArguments
{
    private readonly Option<double?> _bits = Number("--target-bpw", "Find the best type for each tensor, for so many bits per weight at most (instead of --type).", 0.5, 32);
    private readonly Option<long> _size = Parsing.Size("--target-size", "The same, for a file of at most this size.");
    private readonly Option<double?> _divergence = Number("--max-kl", "The same, for the smallest model that diverges from IN by at most so many nats a token, as measured.", 1e-9, 100);

    private readonly Option<WeightFormat[]> _types = Parsing.Make<WeightFormat[]>(
        "--types", [], "With these, the types to choose from, separated by commas. If not given: " + string.Join(',', MixedPrecisionOptions.DefaultTypes.Select(type => type.Name)) + ", as far as the method can write them.",
        "TYPE,TYPE,...", [], false, Types);

    private readonly Option<string?> _sensitivity = Parsing.Choice(
        "--sensitivity", "With these, how it is found what a type costs a tensor: from the error of its outputs and one measured divergence (fast), or measured for each type (kl).",
        ["fast", "kl"], "fast");

    private readonly Option<int> _tokens = Parsing.Integer("--kl-tokens", "With these, how many tokens each measurement runs, of the last quarter of the calibration text.", 16, new MixedPrecisionOptions().Tokens);
    private readonly Option<string?> _plot = Parsing.Make<string?>("--plot", [], "With these, draw what is lost at each size.", "F.svg", null, false, Plot.CheckPath);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_bits, _size, _divergence, _types, _sensitivity, _tokens, _plot])
            command.Add(option);
    }

    /// <summary>What is asked for; null where there is a type instead.</summary>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public MixedTarget? Target(ParseResult parsed, bool hasType)
    {
        string[] asked = [.. hasType ? ["--type"] : Array.Empty<string>(), .. new Option[] { _bits, _size, _divergence }.Where(parsed.IsGiven).Select(option => option.Name)];
        if (asked.Length == 0)
            throw new UsageException("Say what the model shall become by one of --type, --target-bpw, --target-size and --max-kl.");
        if (asked.Length > 1)
            throw new UsageException($"{asked[0]} and {asked[1]} exclude each other: each says alone what the model shall become.");
        if (hasType && new Option[] { _types, _sensitivity, _tokens, _plot }.FirstOrDefault(parsed.IsGiven) is { } lost)
            throw new UsageException($"{lost.Name} is of no use to --type; it goes with --target-bpw, --target-size or --max-kl.");
        return hasType ? null : new MixedTarget(parsed.GetValue(_bits), parsed.IsGiven(_size) ? parsed.GetValue(_size) : null, parsed.GetValue(_divergence));
    }

    /// <summary>Where to draw; null for nowhere.</summary>
    public string? PlotPath(ParseResult parsed) => parsed.GetValue(_plot);

    /// <summary>How types are found.</summary>
    /// <exception cref="UsageException">The method cannot write a type.</exception>
    public MixedPrecisionOptions Read(ParseResult parsed, MixedTarget target, QuantizationMethod method)
    {
        WeightFormat[] types = parsed.GetValue(_types)!;
        if (Array.Find(types, type => !method.CanWrite(type)) is { } unfit)
            throw new UsageException($"--types: --method {method.Name} cannot write {unfit.Name}, whose weights share codes.");
        MixedPrecisionOptions options = new()
        {
            Types = types.Length > 0 ? types : [.. MixedPrecisionOptions.DefaultTypes.Where(method.CanWrite)],
            Sensitivity = Enum.Parse<Sensitivity>(parsed.GetValue(_sensitivity)!, ignoreCase: true),
            Tokens = parsed.GetValue(_tokens),
        };
        return target.BitsPerWeight is { } bits ? options with { ProbeBits = bits } : options;
    }

    private static Option<double?> Number(string name, string description, double min, double max) =>
        Parsing.Make<double?>(name, [], description, "X", null, false, text =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= min && value <= max
                ? value
                : throw new FormatException(FormattableString.Invariant($"a number from {min} to {max}")));

    private static WeightFormat[] Types(string text) =>
    [
        .. text.Split(',', StringSplitOptions.TrimEntries).Select(name =>
            WrittenTypes.Find(name) ?? throw new FormatException("types separated by commas, of " + string.Join(", ", WrittenTypes.Names))),
    ];
}
