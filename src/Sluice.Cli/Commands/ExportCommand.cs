using System.CommandLine;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Files;

namespace Sluice.Cli.Commands;

/// <summary>Writes a Hugging Face folder in the layout of another method's checkpoints (<see cref="CheckpointExporter"/>).</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        Argument<string> input = new("IN") { Description = "A Hugging Face folder: plain, or a checkpoint of any method that Sluice reads." };
        Argument<string> output = new("OUT") { Description = "The folder to write, which must not exist." };
        Option<string?> layout = Parsing.Choice("--layout", "How linear maps are stored: gptq, gptq_v2, awq, fp8 (squares of 128 x 128, as DeepSeek's).", CheckpointLayout.Names, "gptq");
        ExportOptions usual = new("gptq");
        Option<int> bits = Parsing.Integer("--bits", "Bits of an integer: 2, 3, 4 or 8 for GPTQ, 4 for AWQ.", 2, usual.Bits);
        Option<int> group = Parsing.Integer("--group-size", "Columns that share a scale, a multiple of 32; -1: a whole row.", -1, usual.GroupSize);
        Option<bool> symmetric = new("--symmetric") { Description = "Give no group a zero point of its own." };
        RoundingArguments rounding = new(QuantizationMethod.OfIntegers, "gptq and awq");
        Option<bool> requantize = new("--requantize") { Description = "Allow maps that are quantized already to be rounded again, whose errors add up." };
        Option<int> threads = Parsing.Integer("--threads", "Threads that compute; one a processor if not given.", 1, EngineOptions.MostThreads, null, "-t");
        SluiceCommand command = new(
            "export", "Write a folder of safetensors as GPTQ, AWQ or FP8 checkpoints are, for other programs.",
            "sluice export Llama-3.2-1B Llama-3.2-1B-GPTQ --layout gptq --symmetric --method gptq --calibration stories.txt --act-order",
            "sluice export Llama-3.2-1B Llama-3.2-1B-AWQ --layout awq --method awq --calibration stories.txt",
            "sluice export Llama-3.2-1B-GPTQ Llama-3.2-1B-AWQ --layout awq",
            "sluice export Llama-3.2-1B Llama-3.2-1B-FP8 --layout fp8")
        {
            input, output, layout, bits, group, symmetric, requantize, threads,
        };
        rounding.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string name = parsed.GetValue(layout)!;
            if (name == "fp8" && (parsed.IsGiven(bits) || parsed.IsGiven(group) || parsed.GetValue(symmetric)))
                throw new UsageException("--bits, --group-size and --symmetric are for integers; fp8 has none.");
            if (name == "awq" && parsed.GetValue(symmetric))
                throw new UsageException("--symmetric is for gptq; awq always has zero points.");
            ExportOptions options = new(name)
            {
                Bits = parsed.GetValue(bits),
                GroupSize = parsed.GetValue(group),
                IsSymmetric = parsed.GetValue(symmetric),
                Method = rounding.Read(parsed),
                MayRequantize = parsed.GetValue(requantize),
                Threads = parsed.GetValue(threads),
            };
            CheckpointExporter exporter = Check(options);
            string target = parsed.GetValue(output)!;
            OutputFile.CheckFolderOf(target);
            ExportResult result = Terminal.Stages("Calibrating", report => exporter.Run(parsed.GetValue(input)!, target, report, cancellation));
            Terminal.Note(name == "fp8" ? $"wrote {target}" : $"wrote {target}: {Describe(result, options.Method.Name)}");
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static CheckpointExporter Check(ExportOptions options)
    {
        try
        {
            return new CheckpointExporter(options);
        }
        catch (ArgumentException error)
        {
            throw new UsageException(CommandLine.Describe(error));
        }
    }

    private static string Describe(ExportResult result, string method)
    {
        if (method == "rtn")
            return $"{result.Kept} maps as they were, {result.Rounded} rounded to nearest";
        string unseen = result.Unseen > 0 ? $", {result.Unseen} of them to nearest, for no token of the text came to them" : "";
        return $"{result.Rounded} maps rounded by {method}{unseen}";
    }
}
