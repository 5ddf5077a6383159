using System.CommandLine;
using System.Diagnostics;
using Sluice.Cache;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Cli.Synthesis;
using Sluice.Compression;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>
/// How fast a model reads prompts (pp) and writes tokens one by one (tg), with the names and the defaults of llama-bench. Each test
/// begins with an empty cache, after a run that does not count.
/// </summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        ModelArguments model = new();
        AdapterArguments lora = new(areSeveral: true);
        Option<string?> shape = Parsing.Choice(
            "--shape", "Make up weights in the shape of a model, in place of --model: " + string.Join(", ", Shape.All.Select(s => s.Name)) + ".",
            Shape.All.Select(s => s.Name));
        Option<string?> type = Parsing.Choice("--type", "The type of made-up weights, as Q8_0, or a mix, as Q4_K_M.", SyntheticModel.Mixes.Select(mix => mix.Name), "Q4_K_M");
        Option<int[]> prompts = Parsing.Integers("--prompt-tokens", "Lengths of prompts to read; 0: none.", 0, [512], "-p");
        Option<int[]> generations = Parsing.Integers("--generate-tokens", "Numbers of tokens to write; 0: none.", 0, [128], "-n");
        Option<int> depth = Parsing.Integer("--depth", "Tokens that are in the cache before each test, not counted in its time.", 0, 0, "-d");
        Option<int[]> batches = Parsing.Integers("--batch", "Numbers of sequences that write at once; tokens of all of them are counted.", 1, [1], "-b");
        Option<int> repetitions = Parsing.Integer("--repetitions", "How often each test is run.", 1, 5, "-r");
        Option<string?> save = new("--save") { Description = "Keep the file of a --shape here, as for another engine to run the same one.", HelpName = "PATH" };
        Option<bool> roofline = new("--roofline")
        {
            Description = "Measure this machine's limits too, and show what each operation achieves of them.",
        };
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "bench", "Measure the speed of a model.",
            "sluice bench --model llama.gguf -p 512 -n 128 -t 2",
            "sluice bench --shape llama-3.2-1b --type Q4_K_M -r 3",
            "sluice bench --shape llama-3.2-1b --type Q4_K_M --roofline",
            "sluice bench --shape llama-3.2-1b -p 0 -n 32 --depth 3584",
            "sluice bench --shape llama-3.2-1b -p 0 -n 32 --batch 1,4,16",
            "sluice bench --shape qwen2.5-0.5b --type Q8_0 -p 0 -n 32,128 --json")
        {
            shape, type, save, prompts, generations, depth, batches, repetitions, roofline, json, BenchServeCommand.Create(),
        };
        model.AddTo(command, isRequired: false, hasContext: false);
        lora.AddTo(command);
        command.Validators.Add(result =>
        {
            bool hasShape = result.GetResult(shape) is not null;
            if (hasShape && result.GetResult(model.Model) is not null)
                result.AddError("Give either a --model or a --shape.");
            if (!hasShape && result.IsGiven(type))
                result.AddError("--type is for the made-up weights of a --shape.");
            if (!hasShape && result.GetResult(save) is not null)
                result.AddError("--save is for the made-up weights of a --shape.");
        });
        command.SetAction((parsed, cancellation) =>
        {
            int filled = parsed.GetValue(depth);
            BenchTest[] tests =
            [
                .. parsed.GetValue(prompts)!.Where(n => n > 0).Select(n => new BenchTest(true, n, filled, 1)),
                .. parsed.GetValue(generations)!.Where(n => n > 0).SelectMany(_ => parsed.GetValue(batches)!, (n, b) => new BenchTest(false, n, filled, b)),
            ];
            if (tests.Length == 0)
                throw new UsageException("There is nothing to measure: -p and -n are both 0.");
            EngineOptions options = model.Options(parsed);
            MachineLimits? limits = null;
            if (parsed.GetValue(roofline))
            {
                options = options with { Wrap = ops => new ProfilingOps(ops) };
                limits = Terminal.Progress("Measuring the machine", _ => MachineLimits.Measure(options.Threads));
                if (limits.IsDisturbed)
                    Terminal.Note("the threads had no core each while the machine was measured: its limits are higher, and the shares of them lower");
            }
            Shape? chosen = Shape.All.FirstOrDefault(s => s.Name == parsed.GetValue(shape));
            using SyntheticModel? made = chosen is null ? null : SyntheticModel.Create(chosen, parsed.GetValue(type)!, parsed.GetValue(save), cancellation);
            string path = made?.Path ?? model.Path(parsed) ?? DefaultModel.Path;
            if (options.ActivationSparsity > 0)
                options = options with { Thresholds = Thresholds(path, options, cancellation) };
            long start = Stopwatch.GetTimestamp();
            using Runner runner = KnownTokens.Load(path, options, tests.Max(test => test.Tokens) + filled, tests.Max(test => test.Sequences));
            if (!OperatingSystem.IsWindows())
                made?.Dispose(); // the map stays, and nothing is left even where this process is killed
            Terminal.Note($"loaded in {Numbers.Figure(Stopwatch.GetElapsedTime(start).TotalSeconds)} s; {Numbers.Bytes(Environment.WorkingSet)} resident");

            Adapter?[] adapters = lora.Load(parsed, runner);
            List<BenchRow> rows = [];
            string name = chosen is null ? Name(runner.File) : $"{chosen.Name} {parsed.GetValue(type)}";
            foreach (BenchTest test in tests)
                rows.Add(Measure(runner, adapters, name, test, parsed.GetValue(repetitions), limits, cancellation));
            if (parsed.GetValue(json))
                Json.Write<IReadOnlyList<BenchRow>>(rows);
            else
                Show(rows);
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    /// <summary>For a model that has no thresholds of activations, as one of made-up weights, those of the tokens that the tests run; else null.</summary>
    private static ActivationThresholds? Thresholds(string path, EngineOptions options, CancellationToken cancellation)
    {
        int vocabulary;
        using (ModelFile file = ModelFile.Open(path))
        {
            if (ActivationThresholds.Read(file.Metadata) is not null)
                return null;
            vocabulary = (int)file.Tensor("token_embd.weight").Shape[1];
        }
        const int Tokens = 128;
        SparsityOptions sparsity = new() { Tokens = Tokens, ChunkLength = Tokens, Threads = options.Threads };
        return Terminal.Stages("Finding thresholds", report =>
            ThresholdFinder.Find(path, [.. Enumerable.Range(0, Tokens).Select(i => TokenAt(i, vocabulary))], sparsity, report, cancellation));
    }

    private static int TokenAt(int position, int vocabulary) => (int)(position * 7919L % vocabulary);

    /// <summary>Runs a test some times.</summary>
    public static BenchRow Measure(
        Runner runner, Adapter?[] adapters, string name, BenchTest test, int repetitions, MachineLimits? limits, CancellationToken cancellation)
    {
        ProfilingOps? profile = runner.Ops as ProfilingOps;
        int total = test.Tokens * test.Sequences;
        double[] samples = Terminal.Progress(test.Name, progress =>
        {
            SequenceCache[] sequences = new SequenceCache[test.Sequences];
            try
            {
                for (int i = 0; i < sequences.Length; i++)
                {
                    sequences[i] = runner.Cache.CreateSequence(adapters[i % adapters.Length]);
                    Run(runner, [sequences[i]], true, test.Depth, cancellation);
                }
                Run(runner, sequences, test.IsPrompt, test.IsPrompt ? test.Tokens : 1, cancellation); // warms caches and the jit compiler up
                double[] speeds = new double[repetitions];
                profile?.Reset();
                for (int i = 0; i < repetitions; i++)
                {
                    foreach (SequenceCache sequence in sequences)
                    {
                        if (!sequence.CanTruncate(test.Depth))
                            throw new UsageException("--depth needs a model whose cache can be cut back: no recurrent state, and no window that has moved on.");
                        sequence.Truncate(test.Depth);
                    }
                    long start = Stopwatch.GetTimestamp();
                    Run(runner, sequences, test.IsPrompt, test.Tokens, cancellation);
                    speeds[i] = total / Stopwatch.GetElapsedTime(start).TotalSeconds;
                    progress.Report((i + 1f) / repetitions);
                }
                return speeds;
            }
            finally
            {
                foreach (SequenceCache? sequence in sequences)
                    sequence?.Dispose();
            }
        });
        double mean = samples.Average();
        double deviation = samples.Length == 1 ? 0 : Math.Sqrt(samples.Sum(x => (x - mean) * (x - mean)) / (samples.Length - 1));
        return new BenchRow(
            name, runner.File.TensorBytes, runner.File.Parameters,
            runner.Options.Threads > 0 ? runner.Options.Threads : Processor.PhysicalCores, test.Name, mean, deviation,
            test.IsPrompt || test.Sequences > 1 ? null : mean * BytesPerToken(runner, (2 * test.Depth) + test.Tokens) / 1e9, samples,
            limits is null ? null : Roofline.Of(profile!, limits, samples.Sum(speed => total / speed), repetitions));
    }

    /// <summary>Reads prompts in steps of the engine's size, or writes tokens one by one; which tokens makes no difference.</summary>
    private static void Run(Runner runner, SequenceCache[] sequences, bool isPrompt, int tokens, CancellationToken cancellation)
    {
        Batch batch = new();
        int vocabulary = runner.Model.Config.Vocabulary, step = isPrompt ? runner.Options.StepTokens : 1;
        for (int start = 0; start < tokens; start += step)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(step, tokens - start);
            batch.Clear();
            foreach (SequenceCache sequence in sequences)
            {
                if (!sequence.TryReserve(count))
                    throw new InvalidOperationException($"The KV cache has no room for {start + count:N0} tokens. Raise --kv-memory.");
                sequence.Begin(batch);
                for (int i = start; i < start + count; i++)
                    batch.Add(TokenAt(i, vocabulary), wantOutput: i == tokens - 1 || !isPrompt);
            }
            using ScratchScope scope = runner.Ops.Scratch();
            runner.Forward(batch);
            foreach (SequenceCache sequence in sequences)
                sequence.Commit(count);
        }
    }

    /// <summary>
    /// What one token reads: every weight but for an embedding table that is only looked up in and experts that are not chosen,
    /// and on average half of the cache's rows.
    /// </summary>
    private static double BytesPerToken(Runner runner, int tokens)
    {
        ModelFile file = runner.File;
        int experts = runner.Model.Config.Experts, used = experts == 0 ? 0 : runner.Model.Config.Int("expert_used_count");
        double bytes = 0;
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            bool isLookedUp = tensor.Name == "token_embd.weight" && file.Tensors.ContainsKey("output.weight");
            if (isLookedUp)
                bytes += (double)tensor.Bytes / runner.Model.Config.Vocabulary;
            else
                bytes += experts > 0 && tensor.Name.Contains("_exps") ? (double)tensor.Bytes * used / experts : tensor.Bytes;
        }
        double row = (double)runner.Cache.Plan.Bytes / runner.Context;
        return bytes + (row * tokens / 2);
    }

    private static string Name(ModelFile file)
    {
        string type = file.Tensors.Values.Where(tensor => tensor.Shape.Length > 1).GroupBy(tensor => tensor.Type)
            .MaxBy(group => group.Sum(tensor => tensor.Bytes))?.First().TypeName ?? "";
        return $"{file.Metadata.GetString("general.name", file.Architecture)} {type}";
    }

    private static void Show(IReadOnlyList<BenchRow> rows)
    {
        BenchRow first = rows[0];
        Console.Out.WriteLine($"{first.Model}, {Numbers.Count(first.Parameters)} parameters, {Numbers.Bytes(first.Size)}, {first.Threads} threads");
        Table table = Terminal.Table("test", "tokens/s", "GB/s");
        foreach (BenchRow row in rows)
        {
            table.AddRow(
                new Text(row.Test), new Text($"{Numbers.Figure(row.TokensPerSecond)} ± {Numbers.Figure(row.Stddev)}"),
                new Text(row.GigabytesPerSecond is double speed ? Numbers.Figure(speed) : ""));
        }
        Terminal.Out.Write(table);
        if (first.Roofline is null)
            return;
        Roofline.ShowLimits(first.Roofline.Limits);
        foreach (BenchRow row in rows)
            Roofline.Show(row);
    }
}

/// <summary>What is measured.</summary>
/// <param name="IsPrompt">Whether a prompt is read; else tokens are written one by one.</param>
/// <param name="Tokens">Of each sequence.</param>
/// <param name="Depth">Tokens that each has in the cache before.</param>
/// <param name="Sequences">That run at once.</param>
internal readonly record struct BenchTest(bool IsPrompt, int Tokens, int Depth, int Sequences)
{
    /// <summary>As llama-bench names it: <c>tg64@d3584</c>; <c>tg64x16</c> for 16 sequences.</summary>
    public string Name => (IsPrompt ? "pp" : "tg") + Tokens + (Sequences > 1 ? $"x{Sequences}" : "") + (Depth > 0 ? $"@d{Depth}" : "");
}
