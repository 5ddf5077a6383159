using System.CommandLine;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Files;
using Sluice.Tensors.Formats;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>Writes a model in types of fewer bits (<see cref="ModelQuantizer"/>).</summary>
internal static class QuantizeCommand
{
    /// <summary>What stands in for a mix where types are to be found.</summary>
    private static readonly TypeMix Mixed = new("mixed", null, TensorType.Q8_0, []);

    public static Command Create()
    {
        Argument<string> input = new("IN") { Description = "A GGUF file or a Hugging Face folder." };
        Argument<string?> output = new("OUT") { Description = "The GGUF file to write; not needed with --dry-run.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> type = Parsing.Choice(
            "--type", "What the model becomes: a type, as Q8_0, or a mix of types, as Q4_K_M.", TypeMixes.All.Select(mix => mix.Name));
        Option<string?> importance = new("--imatrix") { Description = "An importance matrix of the model, as 'sluice imatrix' makes it.", HelpName = "PATH" };
        Option<string?> outputType = Parsing.Choice("--output-type", "The type of the output map.", WrittenTypes.Names);
        Option<string?> embeddingType = Parsing.Choice("--token-embedding-type", "The type of the token embeddings.", WrittenTypes.Names);
        Option<string[]> tensorTypes = new("--tensor-type")
        {
            Description = "Types of tensors whose name a regular expression matches, before all else; the first that does decides. Repeatable.",
            HelpName = "REGEX=TYPE",
        };
        Option<bool> pure = new("--pure") { Description = "Give all matrices the same type." };
        Option<bool> requantize = new("--requantize") { Description = "Allow tensors that are quantized already, whose errors add up." };
        Option<bool> keepSplit = new("--keep-split") { Description = "Write as many files as a split model has." };
        Option<bool> dryRun = new("--dry-run") { Description = "Show what would become of each tensor, and write nothing." };
        Option<int> threads = Parsing.Integer("--threads", "Threads that compute; one a processor if not given.", 1, EngineOptions.MostThreads, null, "-t");
        Option<bool> json = new("--json") { Description = "Write JSON." };
        MethodArguments method = new();
        MixedArguments mixed = new();
        SluiceCommand command = new(
            "quantize", "Write a model in types of fewer bits.",
            "sluice quantize llama-f16.gguf llama-q4.gguf --type Q4_K_M",
            "sluice quantize ./Llama-3.2-1B llama-iq3.gguf --type IQ3_M --imatrix llama.imatrix.gguf",
            "sluice quantize llama-f16.gguf llama-q4.gguf --type Q4_0 --method gptq --calibration stories.txt",
            "sluice quantize llama-f16.gguf llama-4bit.gguf --target-bpw 4.25 --calibration stories.txt --plot frontier.svg",
            "sluice quantize llama-f16.gguf --type Q3_K_M --tensor-type 'ffn_down=Q5_K' --dry-run")
        {
            input, output, type, importance, outputType, embeddingType, tensorTypes, pure, requantize, keepSplit, dryRun, threads, json,
        };
        method.AddTo(command);
        mixed.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string path = parsed.GetValue(input)!;
            bool isDry = parsed.GetValue(dryRun);
            string? target = parsed.GetValue(output);
            if (target is null && !isDry)
                throw new UsageException("Say where to write (OUT), or --dry-run.");
            TypeMix? mix = parsed.GetValue(type) is { } name ? TypeMixes.Get(name) : null;
            MixedTarget? goal = mixed.Target(parsed, mix is not null);
            if (goal is not null && parsed.GetValue(pure))
                throw new UsageException("--pure gives all matrices one type; it does not go with --target-bpw, --target-size or --max-kl.");
            if (goal is not null && isDry && method.Rotates(parsed))
                throw new UsageException("--dry-run writes nothing, so that there is no rotated model to find types for; leave out --rotate.");
            if (method.Rotates(parsed) && parsed.GetValue(importance) is not null)
            {
                throw new UsageException(
                    "--imatrix is of inputs that a rotation mixes: rotate alone first (--type F32 --rotate), make the matrix of that model, and quantize it.");
            }
            QuantizationOptions options = new()
            {
                Mix = mix ?? Mixed,
                OutputType = Type(parsed.GetValue(outputType)),
                EmbeddingType = Type(parsed.GetValue(embeddingType)),
                TensorTypes = [.. (parsed.GetValue(tensorTypes) ?? []).Select(Rule)],
                IsPure = parsed.GetValue(pure),
                MayRequantize = parsed.GetValue(requantize),
                KeepSplit = parsed.GetValue(keepSplit),
                Threads = parsed.GetValue(threads),
                Importance = parsed.GetValue(importance) is { } file ? ImportanceFile.Read(file) : null,
            };
            QuantizationMethod chosen = method.Read(parsed, mix);
            if (!isDry)
            {
                OutputFile.CheckOther(path, target!);
                OutputFile.Check(target!);
            }
            using TemporaryFile? rotated = method.Rotates(parsed) && !isDry ? Rotate(path, target!, options, chosen, method.RotatesOnline(parsed), cancellation) : null;
            path = rotated?.Path ?? path;
            long start = Stopwatch.GetTimestamp();
            using ModelFile model = ModelFile.Open(path);
            QuantizationPlan plan = QuantizationPlan.Make(model, options);
            chosen.Check(plan, cancellation);
            foreach (string toWrite in isDry ? [] : ModelQuantizer.Paths(plan, target!))
            {
                foreach (string part in model.Files)
                    OutputFile.CheckOther(part, toWrite);
            }
            Warn(plan);
            if (!isDry && ModelMetadata.TokenizerNote(model) is { } note)
                Terminal.Note(note);
            IReadOnlyList<string> written = [];
            MixedResult? found = null;
            if (goal is not null)
            {
                MixedPrecisionOptions how = mixed.Read(parsed, goal, chosen);
                (plan, written, found) = MixedQuantization.Run(
                    plan, path, isDry ? null : target, chosen, goal, how, plan => OutputFile.CheckRoom(target!, plan.Bytes), cancellation);
                if (mixed.PlotPath(parsed) is { } drawing)
                    MixedQuantization.Draw(drawing, found);
            }
            else if (!isDry)
            {
                written = Run(plan, path, target!, chosen, cancellation);
            }
            QuantizeResult result = Describe(plan, written, isDry ? TimeSpan.Zero : Stopwatch.GetElapsedTime(start)) with { Mixed = found };
            if (parsed.GetValue(json))
                Json.Write(result);
            else
                Show(result, isDry);
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static IReadOnlyList<string> Run(
        QuantizationPlan plan, string input, string output, QuantizationMethod method, CancellationToken cancellation)
    {
        OutputFile.CheckRoom(output, plan.Bytes);
        return Terminal.Stages("Quantizing", report =>
        {
            using Calibrator? calibrator = method.Calibrate(input, plan.Options.Threads, report, cancellation);
            return ModelQuantizer.Run(
                plan, output, method.Create(plan, calibrator), (_, share) => report("Quantizing", (float)share), cancellation);
        });
    }

    private static TemporaryFile Rotate(
        string input, string output, QuantizationOptions options, QuantizationMethod method, bool isOnline, CancellationToken cancellation)
    {
        using ModelFile model = ModelFile.Open(input);
        // The rotation itself refuses what is quantized, and looks at each weight, so that none is read for this.
        (method with { Text = null }).Check(QuantizationPlan.Make(model, options with { MayRequantize = true }), cancellation);
        OutputFile.CheckRoom(output, model.TensorBytes);
        TemporaryFile rotated = new(output + ".rotated");
        try
        {
            return Terminal.Progress("Rotating", progress =>
            {
                ModelRotation.Write(model, rotated.Path, isOnline: isOnline, progress: progress.Report, cancellation: cancellation);
                return rotated;
            });
        }
        catch
        {
            rotated.Dispose();
            throw;
        }
    }

    private static TensorType? Type(string? name) => name is null ? null : WeightFormats.Get(name).Type;

    private static (Regex, TensorType) Rule(string text)
    {
        int at = text.LastIndexOf('=');
        if (at <= 0)
            throw new UsageException($"--tensor-type takes REGEX=TYPE; '{text}' is not.");
        string name = text[(at + 1)..];
        if (WrittenTypes.Find(name) is not { } format)
            throw new UsageException($"--tensor-type '{text}': '{name}' is no type that is written; there are {string.Join(", ", WrittenTypes.Names)}.");
        try
        {
            return (new Regex(text[..at], RegexOptions.CultureInvariant), format.Type);
        }
        catch (ArgumentException error)
        {
            throw new UsageException($"--tensor-type '{text}': {error.Message}");
        }
    }

    private static void Warn(QuantizationPlan plan)
    {
        TypeMix mix = plan.Options.Mix;
        if (plan.Options.Importance is null && mix.NeedsImportance)
        {
            Terminal.Note($"Warning: {mix.Name} has so few bits that each weight's error counts, and nothing here says which weights matter. "
                + "Without an importance matrix the model will be much worse; 'sluice imatrix' makes one for --imatrix.");
        }
        string[] without = plan.Options.Importance is null
            ? [] : [.. plan.WithoutImportance.Select(entry => entry.Tensor.Name).Where(name => name.StartsWith("blk.", StringComparison.Ordinal))];
        if (without.Length > 0)
            Terminal.Note($"Warning: the importance matrix says nothing of {without.Length} matrices, as {without[0]}; their errors all count the same.");
        foreach ((Regex pattern, _) in plan.Options.TensorTypes)
        {
            TensorPlan[] named = [.. plan.Tensors.Where(entry => pattern.IsMatch(entry.Tensor.Name))];
            if (named.Length == 0)
                Terminal.Note($"Warning: --tensor-type '{pattern}' is of no use: no tensor has such a name.");
            else if (named.All(entry => entry.IsKept))
                Terminal.Note($"Warning: --tensor-type '{pattern}' is of no use: {named[0].Tensor.Name} stays {Name(named[0])}, as vectors, norms, routers and the like do.");
        }
        foreach (var group in plan.Tensors.Where(entry => entry.Unfit is not null).GroupBy(entry => (entry.Unfit!.Name, entry.Format!.Name, entry.Tensor.Shape[0])))
        {
            (string unfit, string name, long columns) = group.Key;
            Terminal.Note($"{group.Count()} matrices, as {group.First().Tensor.Name}, become {name}: their rows of {columns} are no multiple of the blocks of {unfit}.");
        }
    }

    private static QuantizeResult Describe(QuantizationPlan plan, IReadOnlyList<string> outputs, TimeSpan time) => new(
        outputs, plan.Options.Mix.Name, plan.Tensors.Sum(entry => entry.Tensor.Bytes), plan.Bytes,
        8.0 * plan.Bytes / plan.Tensors.Sum(entry => entry.Tensor.Count), time.TotalSeconds,
        [
            .. plan.Tensors.GroupBy(Name).Select(group => new TypeShare(group.Key, group.Count(), group.Sum(entry => entry.Bytes)))
                .OrderByDescending(share => share.Bytes),
        ],
        [.. plan.Tensors.Where(entry => entry.Unfit is not null).Select(entry => new FallbackRow(entry.Tensor.Name, entry.Unfit!.Name, Name(entry), entry.Tensor.Shape[0]))],
        [.. plan.Tensors.Select(entry => new QuantizedRow(entry.Tensor.Name, entry.Tensor.Shape, entry.Tensor.TypeName, Name(entry), entry.Bytes))]);

    private static string Name(TensorPlan plan) => plan.Format?.Name ?? plan.Tensor.TypeName;

    private static void Show(QuantizeResult result, bool isDry)
    {
        if (result.Mixed is { } mixed)
        {
            MixedQuantization.Show(mixed, result.Tensors);
        }
        else if (isDry)
        {
            Table tensors = Terminal.Table("tensor", "shape", "from", "to", "size");
            foreach (QuantizedRow row in result.Tensors)
                tensors.AddRow(Markup.Escape(row.Name), string.Join(" x ", row.Shape), row.From, row.To, Numbers.Bytes(row.Bytes));
            Terminal.Out.Write(tensors);
        }
        Table types = Terminal.Table("type", "tensors", "size", "of all");
        foreach (TypeShare share in result.Types)
            types.AddRow(share.Type, share.Tensors.ToString(), Numbers.Bytes(share.Bytes), $"{Numbers.Figure(100.0 * share.Bytes / result.BytesAfter)} %");
        Terminal.Out.Write(types);
        string time = isDry ? "nothing was written" : $"{Numbers.Figure(result.Seconds)} s";
        Console.Out.WriteLine($"{result.Type}: {Numbers.Bytes(result.BytesBefore)} to {Numbers.Bytes(result.BytesAfter)}, {Numbers.Figure(result.BitsPerWeight)} bits per weight; {time}");
        foreach (string output in result.Outputs)
            Console.Out.WriteLine(output);
    }
}
