using System.CommandLine;
using System.Diagnostics;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>Measures which weights of a model matter (<see cref="ImportanceMatrix"/>).</summary>
internal static class ImatrixCommand
{
    public static Command Create()
    {
        ModelArguments model = new();
        Option<string?> text = new("--text", "-f") { Description = "A text file in UTF-8 of the kind that the model is for.", HelpName = "PATH" };
        Option<string> output = new("--output", "-o") { Description = "The file to write: GGUF, or the older form if its name ends with .dat.", HelpName = "PATH", Required = true };
        Option<string[]> inputs = new("--in-file") { Description = "An importance matrix to add, in either form. Repeatable; without --text they are only merged.", HelpName = "PATH" };
        Option<int> chunks = Parsing.Integer("--chunks", "How many chunks to run; all of the text if not given.", 1);
        Option<int> context = Parsing.Integer("--context", "Tokens of a chunk.", 8, 512);
        Option<int> every = Parsing.Integer("--save-every", "Save after so many chunks, so that --resume can go on; 0: at the end alone.", 0, 0);
        Option<bool> resume = new("--resume") { Description = "Go on with the chunk after those that the output has." };
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "imatrix", "Measure which of a model's weights matter on a text, for 'sluice quantize --imatrix'.",
            "sluice imatrix --model llama-f16.gguf --text calibration.txt --output llama.imatrix.gguf",
            "sluice imatrix --model llama-f16.gguf --text calibration.txt --output llama.imatrix.gguf --save-every 10 --resume",
            "sluice imatrix --in-file code.imatrix.gguf --in-file prose.imatrix.gguf --output both.imatrix.gguf");
        model.AddTo(command, isRequired: false, hasContext: false);
        foreach (Option option in (Option[])[text, output, inputs, chunks, context, every, resume, json])
            command.Add(option);
        command.SetAction((parsed, cancellation) =>
        {
            string target = parsed.GetValue(output)!;
            string[] merged = parsed.GetValue(inputs) ?? [];
            (string? path, string? textPath) = (model.Path(parsed), parsed.GetValue(text));
            if (path is null != textPath is null || (path is null && merged.Length == 0))
                throw new UsageException("Give a --model with a --text to run it on, or files to merge (--in-file).");
            if (path is null && new Option[] { chunks, context, every, resume }.FirstOrDefault(parsed.IsGiven) is { } lost)
                throw new UsageException($"{lost.Name} is of no use without --model and --text: files are merged as they are.");
            OutputFile.Check(target);
            long start = Stopwatch.GetTimestamp();
            ImportanceMatrix matrix = parsed.GetValue(resume) && File.Exists(target) ? ImportanceFile.Read(target, parsed.GetValue(context)) : new(parsed.GetValue(context));
            if (path is not null)
            {
                if (matrix.ChunkSize != parsed.GetValue(context))
                    throw new InvalidDataException($"{target} was made of chunks of {matrix.ChunkSize} tokens: --resume needs --context {matrix.ChunkSize}.");
                bool mayWrite = parsed.GetValue(resume) || !File.Exists(target); // before it is complete
                try
                {
                    Collect(matrix, path, textPath!, model.Options(parsed), target, parsed.GetValue(chunks), parsed.GetValue(every), cancellation);
                }
                catch (OperationCanceledException) when (mayWrite && matrix.Chunks > 0)
                {
                    ImportanceFile.Write(matrix, target);
                    Terminal.Note($"{target} has the {matrix.Chunks} chunks so far; --resume goes on.");
                    throw;
                }
            }
            foreach (string file in merged)
                matrix.Merge(ImportanceFile.Read(file));
            ImportanceFile.Write(matrix, target);
            int unseen = matrix.Entries.Values.Sum(entry => entry.Counts.Count(count => count == 0));
            ImatrixResult result = new(target, matrix.Entries.Count, matrix.Chunks, matrix.ChunkSize, unseen, Stopwatch.GetElapsedTime(start).TotalSeconds);
            if (parsed.GetValue(json))
                Json.Write(result);
            else
                Show(result);
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static void Collect(
        ImportanceMatrix matrix, string path, string textPath, EngineOptions options, string target, int most, int every,
        CancellationToken cancellation)
    {
        string input = File.ReadAllText(textPath);
        string dataset = Path.GetFileName(textPath);
        if (matrix.Chunks > 0 && !matrix.Datasets.SequenceEqual([dataset]))
            throw new InvalidDataException($"{target} was made of {string.Join(", ", matrix.Datasets)}: --resume needs the same text.");
        if (matrix.Datasets.Count == 0)
            matrix.Datasets.Add(dataset);
        ImportanceCollector collector = new(matrix);
        using Runner runner = KnownTokens.Load(path, options with { Wrap = collector.Wrap, WarmUp = false }, matrix.ChunkSize);
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(input);
        int count = Math.Min(tokens.Length / matrix.ChunkSize, most > 0 ? most : int.MaxValue);
        Terminal.Progress("Measuring", progress =>
        {
            collector.Run(runner, tokens, tokenizer.StartId, count, done =>
            {
                progress.Report((float)done / count);
                if (every > 0 && done % every == 0)
                    ImportanceFile.Write(matrix, target);
            }, cancellation);
            return count;
        });
    }

    private static void Show(ImatrixResult result)
    {
        if (result.UnseenExperts > 0)
            Terminal.Note($"The text never reached {result.UnseenExperts} experts' matrices; their weights will all count the same. A longer text reaches more.");
        Console.Out.WriteLine($"{result.Output}: {result.Entries} tensors, {result.Chunks} chunks of {result.ChunkSize} tokens, {Numbers.Figure(result.Seconds)} s");
    }
}
