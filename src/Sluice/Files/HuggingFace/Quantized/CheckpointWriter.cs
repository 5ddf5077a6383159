using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Files.HuggingFace;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// Writes Hugging Face folders whose linear maps are stored as GPTQ, AWQ or FP8 checkpoints store them, for the field's loaders: a copy of a
/// folder, with other tensors for its maps and a <c>quantization_config</c>.
/// </summary>
public static class CheckpointWriter
{
    /// <summary>The linear maps of a model's blocks, by the names that <see cref="ModelFile"/> gives them: what is quantized.</summary>
    public static IEnumerable<TensorInfo> Maps(ModelFile model) => model.Tensors.Values.Where(tensor => IsMap(tensor.Name, tensor.Shape));

    /// <summary>Writes a folder.</summary>
    /// <param name="source">The folder of the model, as it is opened: plain, or quantized itself.</param>
    /// <param name="target">A folder that does not exist; it appears when it is whole.</param>
    /// <param name="layout">How maps are stored.</param>
    /// <param name="integers">
    /// Makes a map's integers, of <paramref name="layout"/>'s bits and groups, its rows in the order that <see cref="ModelFile"/> has; called once for
    /// each of <see cref="Maps"/> when its turn comes. Not called for layouts of floats.
    /// </param>
    /// <param name="progress">Told the written share, 0 to 1.</param>
    /// <param name="cancellation">Stops the writing, and deletes what was written.</param>
    /// <exception cref="IOException">The target exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">The source is damaged; or a map's integers do not fit the layout, and the message names it.</exception>
    /// <exception cref="NotSupportedException">The source is no Hugging Face folder that Sluice reads, or a map's shape does not fit the layout.</exception>
    public static void Write(
        string source, string target, CheckpointLayout layout, Func<TensorInfo, GroupedIntegers> integers, IProgress<float>? progress = null,
        CancellationToken cancellation = default)
    {
        if (!Directory.Exists(source))
            throw new NotSupportedException($"{source} is no Hugging Face folder, which checkpoints of {layout.Name} are copies of.");
        if (Path.Exists(target))
            throw new IOException($"{target} exists already.");
        string part = target.TrimEnd(Path.DirectorySeparatorChar) + ".part";
        if (Directory.Exists(part))
            Directory.Delete(part, recursive: true); // of an attempt that was killed
        Directory.CreateDirectory(part);
        try
        {
            CopyOthers(source, part);
            WriteConfig(source, part, layout);
            WriteTensors(source, Path.Combine(part, "model.safetensors"), layout, integers, progress, cancellation);
            Directory.Move(part, target);
        }
        catch
        {
            Directory.Delete(part, recursive: true);
            throw;
        }
    }

    // Routers are small and decide much: every program leaves them alone.
    private static bool IsMap(string name, long[] shape) =>
        name.StartsWith("blk.", StringComparison.Ordinal) && name.EndsWith(".weight", StringComparison.Ordinal) && shape.Length == 2
        && !name.Contains(".ffn_gate_inp", StringComparison.Ordinal);

    private static void WriteTensors(
        string source, string path, CheckpointLayout layout, Func<TensorInfo, GroupedIntegers> integers, IProgress<float>? progress,
        CancellationToken cancellation)
    {
        (ConfigMap config, IReadOnlyList<StoredTensor> tensors) = HuggingFaceModel.OpenStored(source, out List<MappedFile> files);
        try
        {
            if (config.Architecture.HasFusedExperts)
                throw new NotSupportedException($"{source} is a {config.Architecture.ModelType} model, whose experts are stored together; checkpoints of {layout.Name} have them apart.");
            TensorMap names = new(config.Layout);
            using SafetensorsWriter writer = new(path);
            List<(TensorInfo Tensor, TensorInfo? Map)> all = [];
            foreach (StoredTensor stored in tensors)
            {
                // A name of a map, with what ModelFile would give for it.
                TensorInfo? map = names.NameOf(stored.Info.Name) is { } gguf && IsMap(gguf, stored.Info.Shape)
                    && names.TryMap(stored.Path, stored.Info, out TensorInfo? mapped, out _) ? mapped : null;
                all.Add((stored.Info, map));
                if (map is null)
                    writer.Declare(stored.Info.Name, PlainType(stored.Info.Type), [.. stored.Info.Shape.Reverse()]);
                else
                    layout.Declare(writer, Module(stored.Info), Rows(map), Columns(map));
            }
            long done = 0, total = Math.Max(1, tensors.Sum(tensor => tensor.Info.Count));
            foreach ((TensorInfo tensor, TensorInfo? map) in all)
            {
                cancellation.ThrowIfCancellationRequested();
                if (map is null)
                    writer.Write(tensor.Name, Plain(tensor));
                else if (layout is IntegerCheckpoint grouped)
                    grouped.Write(writer, Module(tensor), integers(map), names.FileRows(map.Name, Rows(map)));
                else
                    ((Float8Squares)layout).Write(writer, Module(tensor), tensor);
                tensor.Release();
                progress?.Report((float)((done += tensor.Count) / (double)total));
            }
            writer.Finish();
        }
        finally
        {
            files.ForEach(file => file.Dispose());
        }
    }

    private static string Module(TensorInfo tensor) => tensor.Name[..^".weight".Length];

    private static int Rows(TensorInfo map) => checked((int)map.Shape[1]);

    private static int Columns(TensorInfo map) => checked((int)map.Shape[0]);

    // What is neither a map nor plain (a quantized output matrix) is written as halves.
    private static TensorType PlainType(TensorType type) => type is TensorType.F32 or TensorType.BF16 ? type : TensorType.F16;

    private static ReadOnlySpan<byte> Plain(TensorInfo tensor)
    {
        if (PlainType(tensor.Type) == tensor.Type)
            return tensor.Data.Span();
        WeightFormat half = WeightFormats.Get(TensorType.F16);
        float[] row = new float[tensor.Shape[0]];
        int rowBytes = (int)half.Bytes(row.Length);
        byte[] bytes = new byte[half.Bytes(tensor.Count)];
        for (int r = 0; r < tensor.Count / row.Length; r++)
        {
            tensor.Dequantize(r, row);
            half.Quantize(row, bytes.AsSpan(r * rowBytes, rowBytes));
        }
        return bytes;
    }

    /// <summary>Everything but weights and what says how they are stored: tokenizer, templates, licence.</summary>
    private static void CopyOthers(string source, string target)
    {
        foreach (string file in Directory.GetFiles(source))
        {
            string name = Path.GetFileName(file);
            bool isWeights = Path.GetExtension(name) is ".safetensors" or ".bin" or ".pt" or ".pth" or ".gguf" or ".h5" or ".msgpack" or ".part";
            if (!isWeights && name is not ("config.json" or "quantize_config.json" or "quant_config.json")
                && !name.EndsWith(".index.json", StringComparison.Ordinal))
            {
                File.Copy(file, Path.Combine(target, name));
            }
        }
    }

    private static void WriteConfig(string source, string target, CheckpointLayout layout)
    {
        string path = Path.Combine(source, "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllBytes(path)) as JsonObject ?? throw new InvalidDataException($"{path} is no JSON object.");
        config.Remove("compression_config");
        config["quantization_config"] = layout.Config();
        Write(Path.Combine(target, "config.json"), config);
        // Programs of before 2024 read it from here.
        if (layout.ConfigFile is { } file)
            Write(Path.Combine(target, file), layout.Config());
    }

    private static void Write(string path, JsonObject json)
    {
        using FileStream stream = File.Create(path);
        using Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteTo(writer);
    }
}
