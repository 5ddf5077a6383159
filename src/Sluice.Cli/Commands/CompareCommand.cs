using System.CommandLine;
using System.Globalization;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Files;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>Size, speed and quality of several models in one table, as those that one model was quantized to.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        Argument<string[]> models = new("models") { Description = "GGUF files or Hugging Face folders.", Arity = ArgumentArity.OneOrMore };
        ModelArguments model = new();
        Option<string?> text = new("--text", "-f") { Description = "A text file in UTF-8, to measure perplexity on.", HelpName = "PATH" };
        Option<string?> reference = new("--reference")
        {
            Description = "The model whose predictions count as right, as the one in F16 that the others were made of; needs --text.",
            HelpName = "PATH",
        };
        Option<int> chunks = Parsing.Integer("--chunks", "How many chunks of the text to score; all if not given.", 1);
        Option<int> context = Parsing.Integer("--context", "Tokens of a chunk.", 8, 512);
        Option<int> prompt = Parsing.Integer("--prompt-tokens", "Length of the prompt that speed is measured with.", 1, 512, "-p");
        Option<int> generate = Parsing.Integer("--generate-tokens", "Number of tokens to write, likewise.", 1, 64, "-n");
        Option<int> repetitions = Parsing.Integer("--repetitions", "How often speed is measured.", 1, 3, "-r");
        Option<string?> plot = Parsing.Make<string?>(
            "--plot", [], "Draw quality over size; needs --text.", "F.svg", null, false, Plot.CheckPath);
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "compare", "Compare the size, speed and quality of models.",
            "sluice compare llama-Q4_K_M.gguf llama-Q6_K.gguf llama-Q8_0.gguf",
            "sluice compare llama-*.gguf --reference llama-F16.gguf --text wiki.test.raw --chunks 20 --plot sizes.svg")
        {
            models, text, reference, chunks, context, prompt, generate, repetitions, plot, json,
        };
        model.AddRunningTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetResult(text) is null && new Option[] { reference, plot, chunks, context }.FirstOrDefault(result.IsGiven) is { } lost)
                result.AddError($"{lost.Name} needs a --text.");
        });
        command.SetAction((parsed, cancellation) =>
        {
            // Before the first is measured, which takes minutes.
            foreach (string file in parsed.GetValue(models)!)
                ModelFile.Open(file).Dispose();
            string? input = parsed.GetValue(text) is { } path ? File.ReadAllText(path) : null;
            int length = parsed.GetValue(context);
            BenchTest[] tests = [new(true, parsed.GetValue(prompt), 0, 1), new(false, parsed.GetValue(generate), 0, 1)];
            int room = Math.Max(length, tests.Max(test => test.Tokens));
            using TextReference? right = parsed.GetValue(reference) is { } other ? TextReference.Load(other, model.Options(parsed), room, input!) : null;
            List<CompareRow> rows = [];
            foreach (string file in parsed.GetValue(models)!)
            {
                using Runner runner = KnownTokens.Load(file, model.Options(parsed), room);
                double[] speeds = [.. tests.Select(test => BenchCommand.Measure(runner, [null], file, test, parsed.GetValue(repetitions), null, cancellation).TokensPerSecond)];
                long bytes = runner.File.TensorBytes;
                rows.Add(new CompareRow(
                    Path.GetFileName(Path.TrimEndingDirectorySeparator(file)), bytes, 8.0 * bytes / runner.File.Parameters, speeds[0], speeds[1],
                    input is null ? null : PerplexityCommand.Measure(runner, null, right, input, length, parsed.GetValue(chunks), cancellation)));
            }
            if (parsed.GetValue(json))
                Json.Write<IReadOnlyList<CompareRow>>(rows);
            else
                Show(rows, [.. tests.Select(test => test.Name + "/s")]);
            if (parsed.GetValue(plot) is { } drawing)
                Draw(drawing, rows); // last, so that a full disk takes nothing else away
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static void Show(IReadOnlyList<CompareRow> rows, string[] tests)
    {
        bool hasText = rows[0].Quality is not null, hasReference = rows[0].Quality?.Divergence is not null;
        Table table = Terminal.Table([
            "model", "size", "bits/weight", .. tests, .. hasText ? ["perplexity"] : Array.Empty<string>(),
            .. hasReference ? ["KL mean", "KL 99%", "same top"] : Array.Empty<string>()]);
        foreach (CompareRow row in rows)
        {
            List<string> cells = [row.Model, Numbers.Bytes(row.Bytes), Format(row.BitsPerWeight, "0.00"), Numbers.Figure(row.PromptSpeed), Numbers.Figure(row.DecodeSpeed)];
            if (row.Quality is { } quality)
                cells.Add(Format(quality.Perplexity, "0.0000"));
            if (row.Quality?.Divergence is { } divergence)
                cells.AddRange([Format(divergence.Mean, "0.00000"), Format(divergence.P99, "0.0000"), Format(divergence.TopAgreement, "0.0%")]);
            table.AddRow(cells.Select(cell => new Text(cell)));
        }
        Terminal.Out.Write(table);
    }

    private static void Draw(string path, IReadOnlyList<CompareRow> rows)
    {
        bool hasReference = rows[0].Quality?.Divergence is not null;
        Plot.Write(
            path, "Quality over size", new PlotAxis("bits per weight"),
            new PlotAxis(hasReference ? "mean KL divergence, nats" : "perplexity", IsLogarithmic: hasReference),
            rows.Select(row => new PlotCurve(
                row.Model, [(row.BitsPerWeight, row.Quality!.Divergence is { } divergence ? Math.Max(divergence.Mean, 1e-6) : row.Quality.Perplexity)])));
    }

    private static string Format(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
