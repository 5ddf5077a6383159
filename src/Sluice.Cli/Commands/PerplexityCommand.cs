using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Evaluation;
using Sluice.Tensors;
using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>How well a model predicts a text (<see cref="Perplexity"/>).</summary>
internal static class PerplexityCommand
{
    public static Command Create()
    {
        ModelArguments model = new();
        AdapterArguments adapter = new();
        Option<string> text = new("--text", "-f") { Description = "A text file in UTF-8.", HelpName = "PATH", Required = true };
        Option<int> chunks = Parsing.Integer("--chunks", "How many chunks to score; all if not given.", 1);
        Option<int> context = Parsing.Integer("--context", "Tokens of a chunk.", 8, 512);
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "perplexity", "Measure how well a model predicts a text: the lower, the better.",
            "sluice perplexity --model llama.gguf --text wiki.test.raw",
            "sluice perplexity --model llama.gguf --text story.txt --chunks 10 --context 512 --json");
        model.AddTo(command, isRequired: true, hasContext: false);
        adapter.AddTo(command);
        command.Add(text);
        command.Add(chunks);
        command.Add(context);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            string input = File.ReadAllText(parsed.GetValue(text)!, new UTF8Encoding(false));
            int length = parsed.GetValue(context);
            using Runner runner = KnownTokens.Load(model.Path(parsed)!, model.Options(parsed), length);
            PerplexityResult result = Measure(runner, adapter.Load(parsed, runner)[0], input, length, parsed.GetValue(chunks), cancellation);
            if (parsed.GetValue(json))
                Json.Write(result);
            else
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"perplexity {result.Perplexity:0.0000} +/- {result.Error:0.0000} ({result.Chunks} chunks of {length} tokens)"));
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static PerplexityResult Measure(Runner runner, Adapter? adapter, string text, int context, int mostChunks, CancellationToken cancellation)
    {
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(text);
        int chunks = Math.Min(Perplexity.CountChunks(tokens.Length, context), mostChunks > 0 ? mostChunks : int.MaxValue);
        long start = Stopwatch.GetTimestamp();
        Perplexity measured = Terminal.Progress("Scoring", progress => Perplexity.Measure(
            runner, tokens, tokenizer.AddsBos ? tokenizer.BosId : null, context, chunks,
            sofar =>
            {
                progress.Report((float)sofar.Chunks / chunks);
                if (!Terminal.IsInteractive)
                    Console.Error.Write(string.Create(CultureInfo.InvariantCulture, $"[{sofar.Chunks}]{sofar.Value:0.0000}{(sofar.Chunks < chunks ? "," : "\n")}"));
            },
            cancellation, adapter));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new PerplexityResult(
            measured.Value, measured.StandardError, chunks, context, measured.Tokens, (double)chunks * context / seconds);
    }
}
