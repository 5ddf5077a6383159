using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Files;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>Finds thresholds of activations, and writes a model that has them (<see cref="ThresholdFinder"/>).</summary>
internal static class SparsifyCommand
{
    public static Command Create()
    {
        Argument<string> input = new("IN") { Description = "A GGUF file." };
        Argument<string> output = new("OUT") { Description = "The GGUF file to write: the same tensors, with thresholds in the metadata." };
        SparsityOptions defaults = new();
        Option<string> text = new("--calibration") { Description = "The text that activations are measured on: such as the model is for.", HelpName = "PATH", Required = true };
        Option<float> sparsity = Parsing.Number(
            "--sparsity", "The share of inputs that shall count as zero, unless --activation-sparsity says otherwise when the model runs.", 0, ThresholdFinder.HighestLevel, defaults.Level);
        Option<string?> allocation = Parsing.Choice(
            "--allocation", "How it is shared among the maps of a layer: evenly (uniform), or by what it does to their outputs (greedy).",
            Enum.GetNames<SparsityAllocation>().Select(name => name.ToLowerInvariant()), defaults.Allocation.ToString().ToLowerInvariant());
        Option<int> tokens = Parsing.Integer("--calibration-tokens", "How many tokens of the text are run, spread over it.", 16, defaults.Tokens);
        Option<int> length = Parsing.Integer("--calibration-context", "Tokens of a chunk of it.", 8, defaults.ChunkLength);
        Option<int> threads = Parsing.Integer("--threads", "Threads that compute; one a physical core if not given.", 1, EngineOptions.MostThreads, null, "-t");
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "sparsify", "Find below which magnitude activations may count as zero, so that decoding reads fewer weights.",
            "sluice sparsify llama-Q8_0.gguf llama-sparse.gguf --calibration text.txt",
            "sluice sparsify llama-Q8_0.gguf llama-sparse.gguf --calibration text.txt --sparsity 0.5 --allocation greedy",
            "sluice perplexity --model llama-sparse.gguf --reference llama-Q8_0.gguf --text wiki.test.raw --activation-sparsity 0.25")
        {
            input, output, text, sparsity, allocation, tokens, length, threads, json,
        };
        command.SetAction((parsed, cancellation) =>
        {
            (string path, string target) = (parsed.GetValue(input)!, parsed.GetValue(output)!);
            OutputFile.CheckOther(path, target);
            SparsityOptions options = new()
            {
                Level = parsed.GetValue(sparsity),
                Allocation = Enum.Parse<SparsityAllocation>(parsed.GetValue(allocation)!, ignoreCase: true),
                Tokens = parsed.GetValue(tokens),
                ChunkLength = parsed.GetValue(length),
                Threads = parsed.GetValue(threads),
            };
            using ModelFile file = ModelFile.Open(path);
            if (file.Folder is not null)
                throw new NotSupportedException($"{path} is a Hugging Face folder; 'sluice quantize' makes a GGUF file of it first.");
            foreach (string part in file.Files)
                OutputFile.CheckOther(part, target);
            OutputFile.CheckRoom(target, file.TensorBytes);
            string calibration = File.ReadAllText(parsed.GetValue(text)!);
            long start = Stopwatch.GetTimestamp();
            ActivationThresholds found = Terminal.Stages("Sparsifying", report =>
            {
                ActivationThresholds thresholds = ThresholdFinder.Find(path, calibration, options, report, cancellation);
                report("Writing", 0);
                Write(file, thresholds, target, cancellation);
                return thresholds;
            });
            if (ModelMetadata.TokenizerNote(file) is { } note)
                Terminal.Note(note);
            SparsifyResult result = new(
                target, found.Level, options.Allocation.ToString().ToLowerInvariant(), Stopwatch.GetElapsedTime(start).TotalSeconds,
                [.. found.Tensors.Select(name => new ThresholdRow(name, found.ThresholdOf(name, found.Level), found.ShareOf(name, found.Level)))]);
            if (parsed.GetValue(json))
                Json.Write(result);
            else
                Show(result);
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static void Write(ModelFile file, ActivationThresholds thresholds, string path, CancellationToken cancellation)
    {
        Metadata metadata = ModelMetadata.Copy(file);
        thresholds.WriteTo(metadata);
        GgufWriter.Write(path, metadata, [.. file.Tensors.Values], cancellation: cancellation);
    }

    private static void Show(SparsifyResult result)
    {
        Table table = Terminal.Table("tensor", "threshold", "zero");
        foreach (ThresholdRow row in result.Tensors)
            table.AddRow(new Text(row.Name), new Text(row.Threshold.ToString("G4", CultureInfo.InvariantCulture)), new Text($"{Numbers.Figure(100 * row.Share)} %"));
        Terminal.Out.Write(table);
        Console.Out.WriteLine($"{result.Output}: {result.Tensors.Count} maps, {Numbers.Figure(100 * result.Sparsity)} % of their inputs count as zero; {Numbers.Figure(result.Seconds)} s");
    }
}
