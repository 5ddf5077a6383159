using System.CommandLine;
using Sluice.Cache;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Files;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;
using Sluice.Tensors.KvFormats;
using Sluice.Tensors.Memory;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>What a model file says, and what of it fits in this machine's memory.</summary>
internal static class InspectCommand
{
    private const int StepTokens = 512;

    public static Command Create()
    {
        Argument<string> path = new("MODEL") { Description = "A GGUF file or a Hugging Face folder." };
        Option<string?> kvType = Parsing.Choice(
            "--kv-type", "How the KV cache would be stored.", KvFormats.All.Select(format => format.Name), new EngineOptions().KvFormat);
        ActivationsOption activations = new();
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "inspect", "Show a model's metadata and tensors, and what fits in this machine's memory.",
            "sluice inspect llama.gguf",
            "sluice inspect llama.gguf --activations bf16",
            "sluice inspect llama.gguf --json")
        {
            path, kvType, json,
        };
        activations.AddTo(command);
        command.SetAction(parsed =>
        {
            using ModelFile file = ModelFile.Open(parsed.GetValue(path)!);
            InspectResult result = Inspect(file, KvFormats.Get(parsed.GetValue(kvType)!), activations.Value(parsed));
            if (parsed.GetValue(json))
                Json.Write(result);
            else
                Show(result);
            return CommandLine.Done;
        });
        return command;
    }

    private static InspectResult Inspect(ModelFile file, KvFormat kvFormat, ActivationPrecision activations)
    {
        TypeShare[] types =
        [
            .. file.Tensors.Values.GroupBy(tensor => tensor.Type)
                .Select(group => new TypeShare(WeightFormats.NameOf(group.Key), group.Count(), group.Sum(tensor => tensor.Bytes)))
                .OrderByDescending(share => share.Bytes),
        ];
        file.Metadata.TryGetString("general.architecture", out string? architecture);
        ActivationThresholds? thresholds = null;
        ActivationRanges? ranges = null;
        IReadOnlySet<string> rotated = new HashSet<string>();
        MemoryFit? memory = null;
        string? unsupported = null;
        try
        {
            thresholds = ActivationThresholds.Read(file.Metadata);
            ranges = ActivationRanges.Read(file.Metadata);
            rotated = RotatedInputs.Read(file.Metadata);
            memory = Fit(file, kvFormat);
        }
        catch (Exception error) when (error is NotSupportedException or InvalidDataException)
        {
            unsupported = error.Message; // a file that Sluice cannot run can still be looked at
        }
        return new InspectResult(
            file.Path, architecture, CpuOps.InstructionSet, file.Length, file.Parameters, file.TensorBytes,
            unsupported, types, memory, new OrderedDictionary<string, MetadataValue>(file.Metadata),
            [.. file.Tensors.Values.Select(tensor => Row(file, tensor, activations, thresholds, ranges) with { RotatesInputs = rotated.Contains(tensor.Name) })]);
    }

    private static TensorRow Row(ModelFile file, TensorInfo tensor, ActivationPrecision activations, ActivationThresholds? thresholds, ActivationRanges? ranges)
    {
        float range = ranges?.Of(tensor.Name) ?? 0;
        float threshold = thresholds?.ThresholdOf(tensor.Name, thresholds.Level) ?? 0;
        float? share = threshold > 0 ? thresholds!.ShareOf(tensor.Name, thresholds.Level) : null;
        return new TensorRow(
            tensor.Name, tensor.TypeName, tensor.Shape, tensor.Bytes, Kernel(file, tensor, range > 0 ? activations : activations.Dynamic(), share),
            share is null ? null : threshold, share, range > 0 ? range : null);
    }

    private static string Kernel(ModelFile file, TensorInfo tensor, ActivationPrecision activations, float? zeroShare)
    {
        if (tensor.Name == "token_embd.weight" && file.Tensors.ContainsKey("output.weight"))
            return "rows looked up";
        if (tensor.Shape.Length < 2 || WeightFormats.Find(tensor.Type) is not { } format)
            return "float32";
        return CpuOps.KernelOf(format, activations, zeroShare) + (tensor.ColumnOrder is null ? "" : " in the order of its groups");
    }

    private static MemoryFit Fit(ModelFile file, KvFormat format)
    {
        // The scalar operations leave weights where they are, so that this loads nothing.
        using ScalarOps ops = new();
        Model model = Model.Load(file, ops);
        long available = SystemMemory.Available(), weights = file.TensorBytes, left = available - weights;
        int trained = model.Config.ContextLength;
        List<ContextFit> contexts = [];
        for (int context = 2048; context < trained; context = checked(context * 4))
            contexts.Add(Context(context));
        contexts.Add(Context(trained));
        int largest = contexts[^1].Fits ? trained : left <= 0 ? 0 : KvPlan.LargestContext(model.Layers, format, trained, StepTokens, left);
        return new MemoryFit(available, weights, format.Name, largest, contexts);

        ContextFit Context(int tokens)
        {
            long bytes = KvPlan.Create(model.Layers, format, tokens, 1, StepTokens, long.MaxValue).Bytes;
            return new ContextFit(tokens, bytes, bytes <= left);
        }
    }

    private static void Show(InspectResult result)
    {
        Console.Out.WriteLine(result.Path);
        Console.Out.WriteLine($"{result.Architecture ?? "no architecture"}, {Numbers.Count(result.Parameters)} parameters, {Numbers.Bytes(result.FileBytes)}: "
            + string.Join(", ", result.Types.Select(type => $"{type.Tensors} {type.Type} ({Numbers.Bytes(type.Bytes)})")));
        if (result.Unsupported is not null)
            Console.Out.WriteLine($"Sluice cannot run it: {result.Unsupported}");
        Console.Out.WriteLine();

        Table metadata = Terminal.Table("key", "value");
        foreach ((string key, MetadataValue value) in result.Metadata)
            metadata.AddRow(new Text(key), new Text(Shorten(value.Text ?? value.ToString())));
        Terminal.Out.Write(metadata);

        Console.Out.WriteLine($"Kernels of this processor: {result.InstructionSet}");
        Table tensors = Terminal.Table("tensor", "type", "shape", "size", "kernel");
        foreach (TensorRow tensor in result.Tensors)
            tensors.AddRow(new Text(tensor.Name), new Text(tensor.Type), new Text(string.Join(" x ", tensor.Shape)), new Text(Numbers.Bytes(tensor.Bytes)), new Text(Describe(tensor)));
        Terminal.Out.Write(tensors);
        if (result.Memory is { } memory)
            Show(memory);
    }

    private static string Describe(TensorRow tensor)
    {
        string text = tensor.Kernel;
        if (tensor.RotatesInputs)
            text += "; inputs rotated";
        if (tensor.Threshold is { } threshold)
            text += FormattableString.Invariant($"; {Numbers.Figure(100 * tensor.Sparsity!.Value)} % of inputs, those below {threshold:G4}, count as zero");
        if (tensor.InputRange is { } range)
            text += FormattableString.Invariant($"; inputs up to {range:G4}");
        return text;
    }

    private static void Show(MemoryFit memory)
    {
        Table table = Terminal.Table("context", $"KV cache ({memory.KvType})", "with weights", "fits");
        foreach (ContextFit fit in memory.Contexts)
            table.AddRow(fit.Context.ToString("N0"), Numbers.Bytes(fit.KvBytes), Numbers.Bytes(fit.KvBytes + memory.Weights), fit.Fits ? "yes" : "no");
        Terminal.Out.Write(table);
        Console.Out.WriteLine(memory.LargestContext > 0
            ? $"{Numbers.Bytes(memory.Available)} of memory are free: room for a context of {memory.LargestContext:N0} tokens."
            : $"{Numbers.Bytes(memory.Available)} of memory are free: not enough for this model.");
    }

    private static string Shorten(string value)
    {
        const int Most = 80;
        value = value.ReplaceLineEndings("\\n");
        return value.Length <= Most ? value : value[..(Most - 3)] + "...";
    }
}
