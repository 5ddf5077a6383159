using System.CommandLine;
using System.Diagnostics;
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
        Option<string?> reference = new("--reference")
        {
            Description = "A model of the same vocabulary, as the one in F16 that this was made of, to say how far the predictions are from its.",
            HelpName = "PATH",
        };
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "perplexity", "Measure how well a model predicts a text: the lower, the better.",
            "sluice perplexity --model llama.gguf --text wiki.test.raw",
            "sluice perplexity --model llama.gguf --text story.txt --chunks 10 --context 512 --json",
            "sluice perplexity --model llama-Q4_K_M.gguf --reference llama-F16.gguf --text wiki.test.raw");
        model.AddTo(command, isRequired: true, hasContext: false);
        adapter.AddTo(command);
        command.Add(text);
        command.Add(chunks);
        command.Add(context);
        command.Add(reference);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            string input = File.ReadAllText(parsed.GetValue(text)!);
            int length = parsed.GetValue(context);
            using Runner runner = KnownTokens.Load(model.Path(parsed)!, model.Options(parsed), length);
            string? other = parsed.GetValue(reference);
            using TextReference? right = other is null ? null : TextReference.Load(other, model.Options(parsed), length, input);
            PerplexityResult result = Measure(runner, adapter.Load(parsed, runner)[0], right, input, length, parsed.GetValue(chunks), cancellation);
            if (parsed.GetValue(json))
                Json.Write(result);
            else
                Show(result);
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    /// <summary>Measures on a text, beside a reference if there is one.</summary>
    public static PerplexityResult Measure(
        Runner runner, Adapter? adapter, TextReference? reference, string text, int context, int mostChunks, CancellationToken cancellation)
    {
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(text);
        if (reference is not null && !tokens.AsSpan().SequenceEqual(reference.Tokens))
            throw new ArgumentException("The reference divides the text into other tokens: it has another vocabulary.");
        int? bos = tokenizer.StartId;
        int chunks = Math.Min(Perplexity.CountChunks(tokens.Length, context), mostChunks > 0 ? mostChunks : int.MaxValue);
        long start = Stopwatch.GetTimestamp();
        bool isLineOpen = false;
        (Perplexity measured, Divergence? divergence) = Terminal.Progress<(Perplexity, Divergence?)>("Scoring", progress =>
        {
            void Report(Perplexity sofar)
            {
                progress.Report((float)sofar.Chunks / chunks);
                if (!Terminal.IsInteractive)
                    Console.Error.Write(Invariant($"{(isLineOpen ? "," : "")}[{sofar.Chunks}]{sofar.Value:0.0000}"));
                isLineOpen = !Terminal.IsInteractive;
            }
            try
            {
                if (reference is null)
                    return (Perplexity.Measure(runner, tokens, bos, context, chunks, Report, cancellation, adapter), null);
                Divergence found = Divergence.Measure(runner, reference.Runner, tokens, bos, context, chunks, Report, cancellation, adapter);
                return (found.Own, found);
            }
            finally
            {
                if (isLineOpen) // of what was interrupted, too
                    Console.Error.WriteLine();
            }
        });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new PerplexityResult(
            measured.Value, measured.StandardError, chunks, context, measured.Tokens, (double)chunks * context / seconds,
            divergence is null ? null : new DivergenceResult(
                divergence.Reference.Value, divergence.Mean, divergence.Quantile(0.5), divergence.Quantile(0.99), divergence.Quantile(1),
                divergence.TopAgreement, divergence.ByPosition));
    }

    private static void Show(PerplexityResult result)
    {
        Console.Out.WriteLine(Invariant(
            $"perplexity {result.Perplexity:0.0000} +/- {result.Error:0.0000} ({result.Chunks} chunks of {result.Context} tokens)"));
        if (result.Divergence is not { } divergence)
            return;
        Console.Out.WriteLine(Invariant($"reference {divergence.ReferencePerplexity:0.0000}, {result.Perplexity / divergence.ReferencePerplexity - 1:+0.00%;-0.00%}"));
        Console.Out.WriteLine(Invariant(
            $"KL divergence: mean {divergence.Mean:0.00000}, median {divergence.Median:0.00000}, 99% {divergence.P99:0.00000}, most {divergence.Most:0.00000}"));
        Console.Out.WriteLine(Invariant($"same likeliest token: {divergence.TopAgreement:0.00%}"));
        // How it grows with the context: means of stretches of the counted half.
        const int Stretches = 4;
        int count = divergence.ByPosition.Count, first = result.Context - count;
        for (int i = 0; i < Stretches; i++)
        {
            int from = i * count / Stretches, to = (i + 1) * count / Stretches;
            if (to > from)
                Console.Out.WriteLine(Invariant($"  positions {first + from} to {first + to - 1}: {divergence.ByPosition.Skip(from).Take(to - from).Average():0.00000}"));
        }
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
