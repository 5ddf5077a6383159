using System.CommandLine;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Files;

namespace Sluice.Cli.Commands;

/// <summary>
/// Writes a Hugging Face folder in the layout of another method's checkpoints. What is stored in such integers already goes over without a
/// loss; all else is rounded to nearest.
/// </summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        Argument<string> input = new("IN") { Description = "A Hugging Face folder: plain, or a checkpoint of any method that Sluice reads." };
        Argument<string> output = new("OUT") { Description = "The folder to write, which must not exist." };
        Option<string?> layout = Parsing.Choice("--layout", "How linear maps are stored: gptq, gptq_v2, awq, fp8 (squares of 128 x 128, as DeepSeek's).", CheckpointLayout.Names, "gptq");
        Option<int> bits = Parsing.Integer("--bits", "Bits of an integer: 2, 3, 4 or 8 for GPTQ, 4 for AWQ.", 2, 4);
        Option<int> group = Parsing.Integer("--group-size", "Columns that share a scale, a multiple of 32; -1: a whole row.", -1, 128);
        Option<bool> symmetric = new("--symmetric") { Description = "Give no group a zero point of its own." };
        SluiceCommand command = new(
            "export", "Write a folder of safetensors as GPTQ, AWQ or FP8 checkpoints are, for other programs.",
            "sluice export Llama-3.2-1B Llama-3.2-1B-GPTQ --layout gptq --bits 4 --group-size 128 --symmetric",
            "sluice export Llama-3.2-1B-GPTQ Llama-3.2-1B-AWQ --layout awq",
            "sluice export Llama-3.2-1B Llama-3.2-1B-FP8 --layout fp8")
        {
            input, output, layout, bits, group, symmetric,
        };
        command.SetAction((parsed, cancellation) =>
        {
            bool hasSizes = parsed.IsGiven(bits) || parsed.IsGiven(group);
            if (parsed.GetValue(layout) == "fp8" && (hasSizes || parsed.GetValue(symmetric)))
                throw new UsageException("--bits, --group-size and --symmetric are for integers; fp8 has none.");
            if (parsed.GetValue(layout) == "awq" && parsed.GetValue(symmetric))
                throw new UsageException("--symmetric is for gptq; awq always has zero points.");
            (int size, int groupSize, bool isSymmetric) = (parsed.GetValue(bits), parsed.GetValue(group), parsed.GetValue(symmetric));
            (string source, string target) = (parsed.GetValue(input)!, parsed.GetValue(output)!);
            CheckpointLayout chosen;
            bool hasOrder = false;
            try
            {
                if (Directory.Exists(source))
                {
                    using ModelFile model = ModelFile.Open(source);
                    hasOrder = CheckpointWriter.Maps(model).Any(map => map.ColumnOrder is not null);
                }
                chosen = CheckpointLayout.Create(parsed.GetValue(layout)!, size, groupSize, isSymmetric, hasOrder && parsed.GetValue(layout) != "awq");
            }
            catch (ArgumentException error)
            {
                throw new UsageException(CommandLine.Describe(error));
            }
            int kept = 0, rounded = 0;
            Terminal.Progress($"Writing {target}", progress =>
            {
                CheckpointWriter.Write(source, target, chosen, map =>
                {
                    if (GroupedTensors.Stored(map, size, groupSize) is { } stored && (!isSymmetric || stored.IsSymmetric))
                    {
                        kept++;
                        return stored;
                    }
                    rounded++;
                    return GroupedTensors.Rounded(map, size, groupSize, isSymmetric);
                }, progress, cancellation);
                return 0;
            });
            Terminal.Note(chosen.Name == "fp8" ? $"wrote {target}" : $"wrote {target}: {kept} maps as they were, {rounded} rounded to nearest");
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }
}
