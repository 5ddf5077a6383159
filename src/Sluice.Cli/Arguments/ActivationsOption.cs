using System.CommandLine;
using Sluice.Tensors;

namespace Sluice.Cli.Arguments;

/// <summary>How inputs of linear maps are rounded.</summary>
internal sealed class ActivationsOption
{
    private static readonly Dictionary<string, ActivationPrecision> Names = Enum.GetValues<ActivationPrecision>().ToDictionary(precision => precision switch
    {
        ActivationPrecision.Int8Token => "int8-token",
        ActivationPrecision.Int8Static => "int8-static",
        ActivationPrecision.FP8Static => "fp8-static",
        _ => precision.ToString().ToLowerInvariant(),
    });

    private readonly Option<string?> _option = Parsing.Choice(
        "--activations",
        "How inputs of linear maps are rounded: auto (as is fastest for the weights), f32, bf16, int8 (a scale for 32 or 256), int8-token (a scale a token), fp8; int8-static and fp8-static (scales of the file).",
        Names.Keys, "auto");

    /// <summary>Adds it to a command.</summary>
    public void AddTo(Command command) => command.Add(_option);

    /// <summary>What was chosen.</summary>
    public ActivationPrecision Value(ParseResult parsed) => Names[parsed.GetValue(_option)!];
}
