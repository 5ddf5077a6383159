using System.Diagnostics.CodeAnalysis;
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
    /// <summary>
    /// The linear maps of a model's blocks, by the names that <see cref="ModelFile"/> gives them: what is quantized. The experts of a layer are one
    /// tensor.
    /// </summary>
    public static IEnumerable<TensorInfo> Maps(ModelFile model) =>
        model.Tensors.Values.Where(tensor => tensor.Shape.Length is 2 or 3 && IsMap(tensor.Name));

    /// <summary>Writes a folder.</summary>
    /// <param name="source">The folder of the model, as it is opened: plain, or quantized itself.</param>
    /// <param name="target">A folder that does not exist; it appears when it is whole.</param>
    /// <param name="layout">How maps are stored.</param>
    /// <param name="integers">
    /// Makes a map's integers, of <paramref name="layout"/>'s bits and groups, its rows in the order that <see cref="ModelFile"/> has; called once for
    /// each map, and each expert's, when its turn comes. Not called for layouts of floats.
    /// </param>
    /// <param name="progress">Told the written share, 0 to 1.</param>
    /// <param name="cancellation">Stops the writing, and deletes what was written.</param>
    /// <exception cref="IOException">The target exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">The source is damaged; or a map's integers do not fit the layout, and the message names it.</exception>
    /// <exception cref="NotSupportedException">The source is no Hugging Face folder that Sluice reads, or a map's shape does not fit the layout.</exception>
    public static void Write(
        string source, string target, CheckpointLayout layout, Func<TensorInfo, GroupedIntegers> integers, IProgress<float>? progress = null,
        CancellationToken cancellation = default) => Write(source, target, layout, new Unchanged(integers), progress, cancellation);

    /// <summary>Writes a folder in which tensors that stay plain may change too.</summary>
    /// <param name="source">The folder of the model, as it is opened: plain, or quantized itself.</param>
    /// <param name="target">A folder that does not exist; it appears when it is whole.</param>
    /// <param name="layout">How maps are stored.</param>
    /// <param name="contents">What is written for the tensors; not asked for maps where the layout is one of floats.</param>
    /// <param name="progress">Told the written share, 0 to 1.</param>
    /// <param name="cancellation">Stops the writing, and deletes what was written.</param>
    /// <exception cref="IOException">The target exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">The source is damaged; or a map's integers do not fit the layout, and the message names it.</exception>
    /// <exception cref="NotSupportedException">The source is no Hugging Face folder that Sluice reads, or a map's shape does not fit the layout.</exception>
    public static void Write(
        string source, string target, CheckpointLayout layout, ICheckpointContents contents, IProgress<float>? progress = null,
        CancellationToken cancellation = default)
    {
        Check(source, target, layout);
        string part = target.TrimEnd(Path.DirectorySeparatorChar) + ".part";
        if (Directory.Exists(part))
            Directory.Delete(part, recursive: true); // of an attempt that was killed
        Directory.CreateDirectory(part);
        try
        {
            CopyOthers(source, part);
            string[] plain = WriteTensors(source, Path.Combine(part, "model.safetensors"), layout, contents, progress, cancellation);
            WriteConfig(source, part, layout, plain);
            Directory.Move(part, target);
        }
        catch
        {
            Directory.Delete(part, recursive: true);
            throw;
        }
    }

    /// <summary>Checks that there is a folder to copy and no target yet.</summary>
    /// <exception cref="IOException">The target exists.</exception>
    /// <exception cref="NotSupportedException">The source is no folder.</exception>
    public static void Check(string source, string target, CheckpointLayout layout)
    {
        if (!Directory.Exists(source))
            throw new NotSupportedException($"{source} is no Hugging Face folder, which checkpoints of {layout.Name} are copies of.");
        if (Path.Exists(target))
            throw new IOException($"{target} exists already.");
    }

    // Routers are small and decide much: every program leaves them alone.
    private static bool IsMap(string name) => IsOfBlock(name) && !name.Contains(".ffn_gate_inp", StringComparison.Ordinal);

    private static bool IsOfBlock(string name) =>
        name.StartsWith("blk.", StringComparison.Ordinal) && name.EndsWith(".weight", StringComparison.Ordinal);

    /// <returns>The maps that stay plain.</returns>
    private static string[] WriteTensors(
        string source, string path, CheckpointLayout layout, ICheckpointContents contents, IProgress<float>? progress,
        CancellationToken cancellation)
    {
        (ConfigMap config, IReadOnlyList<StoredTensor> tensors) = HuggingFaceModel.OpenStored(source, out List<MappedFile> files);
        try
        {
            if (config.Architecture.HasFusedExperts)
                throw new NotSupportedException($"{source} is a {config.Architecture.ModelType} model, whose experts are stored together; checkpoints of {layout.Name} have them apart.");
            TensorMap names = new(config.Layout);
            using SafetensorsWriter writer = new(path);
            ToWrite[] all = [.. tensors.Select(stored => ToWrite.Of(stored, names)).OrderBy(entry => entry.IsMap ? contents.Place(entry.Mapped, entry.Expert) : 0)];
            foreach (ToWrite entry in all)
            {
                if (entry.IsMap)
                    layout.Declare(writer, entry.Module, Rows(entry.Mapped), Columns(entry.Mapped));
                else
                    writer.Declare(entry.Stored.Name, PlainType(entry.Stored.Type), [.. entry.Stored.Shape.Reverse()]);
            }
            CheckRoom(path, writer.DataBytes);
            long done = 0, total = Math.Max(1, tensors.Sum(tensor => tensor.Info.Count));
            foreach (ToWrite entry in all)
            {
                cancellation.ThrowIfCancellationRequested();
                if (!entry.IsMap)
                    WritePlain(writer, entry.Stored, entry.Mapped is null ? null : contents.Changed(entry.Mapped));
                else if (layout is IntegerCheckpoint grouped)
                    grouped.Write(writer, entry.Module, contents.Integers(entry.Mapped, entry.Expert), names.FileRows(entry.Mapped.Name, Rows(entry.Mapped)));
                else
                    ((Float8Squares)layout).Write(writer, entry.Module, entry.Stored);
                entry.Stored.Release();
                progress?.Report((float)((done += entry.Stored.Count) / (double)total));
            }
            writer.Finish();
            return PlainMaps(all);
        }
        finally
        {
            files.ForEach(file => file.Dispose());
        }
    }

    /// <summary>A full disk is told before the contents are computed, which can take hours.</summary>
    private static void CheckRoom(string path, long bytes)
    {
        long room = new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(path))!).AvailableFreeSpace;
        if (bytes > room)
            throw new IOException($"The tensors have {bytes:N0} bytes, and there is room for {room:N0}.");
    }

    /// <summary>The maps of blocks that stay plain, by the parts of their names that blocks have in common, unless another map's name has such a part too.</summary>
    private static string[] PlainMaps(ToWrite[] all)
    {
        string[] maps = [.. all.Where(entry => entry.IsMap).Select(entry => entry.Module)];
        return
        [
            .. all.Where(entry => !entry.IsMap && entry.Mapped is not null && entry.Stored.Shape.Length == 2 && IsOfBlock(entry.Mapped.Name))
                .Select(entry => Shortened(entry.Module)).Distinct(),
        ];

        string Shortened(string module)
        {
            string[] parts = module.Split('.');
            string rest = string.Join('.', parts.SkipWhile(part => !int.TryParse(part, out _)).Skip(1));
            return rest.Length == 0 || Array.Exists(maps, map => map.Contains(rest, StringComparison.Ordinal)) ? module : rest;
        }
    }

    private static int Rows(TensorInfo map) => checked((int)map.Shape[1]);

    private static int Columns(TensorInfo map) => checked((int)map.Shape[0]);

    // What is neither a map nor plain (a quantized output matrix) is written as halves.
    private static TensorType PlainType(TensorType type) => type is TensorType.F32 or TensorType.BF16 ? type : TensorType.F16;

    /// <summary>Writes a tensor that stays plain, row by row: tables of embeddings have more than 2 GiB.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="changed">Its values, if they are not those that it has.</param>
    private static void WritePlain(SafetensorsWriter writer, TensorInfo tensor, float[]? changed)
    {
        WeightFormat format = WeightFormats.Get(PlainType(tensor.Type));
        int columns = checked((int)(tensor.Shape.Length == 0 ? 1 : tensor.Shape[0])), rowBytes = (int)format.Bytes(columns);
        float[] row = new float[columns];
        byte[] bytes = new byte[rowBytes];
        for (long r = 0; r < tensor.Count / columns; r++)
        {
            if (changed is null && format.Type == tensor.Type)
            {
                writer.Write(tensor.Name, tensor.Data.Span(r * rowBytes, rowBytes));
                continue;
            }
            if (changed is null)
                tensor.Dequantize(r, row);
            else
                changed.AsSpan((int)r * columns, columns).CopyTo(row);
            if (Array.Find(row, value => !(MathF.Abs(value) <= format.LargestMagnitude)) is not 0 and var value)
                throw new InvalidDataException($"Tensor '{tensor.Name}' has a value of {value}, which {format.Name} cannot hold.");
            format.Quantize(row, bytes);
            writer.Write(tensor.Name, bytes);
        }
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

    private static void WriteConfig(string source, string target, CheckpointLayout layout, string[] plain)
    {
        string path = Path.Combine(source, "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllBytes(path)) as JsonObject ?? throw new InvalidDataException($"{path} is no JSON object.");
        config.Remove("compression_config");
        config["quantization_config"] = layout.Config(plain);
        Write(Path.Combine(target, "config.json"), config);
        // Programs of before 2024 read it from here.
        if (layout.ConfigFile is { } file)
            Write(Path.Combine(target, file), layout.Config(plain));
    }

    private static void Write(string path, JsonObject json)
    {
        using FileStream stream = File.Create(path);
        using Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteTo(writer);
    }

    /// <summary>A tensor of the source.</summary>
    /// <param name="Stored">As the folder has it.</param>
    /// <param name="Mapped">As <see cref="ModelFile"/> has it, or has a matrix of it; null if it has none.</param>
    /// <param name="Expert">Which matrix.</param>
    private sealed record ToWrite(TensorInfo Stored, TensorInfo? Mapped, int Expert)
    {
        [MemberNotNullWhen(true, nameof(Mapped))]
        public bool IsMap { get; } = Mapped is not null && Stored.Shape.Length == 2 && CheckpointWriter.IsMap(Mapped.Name);

        public string Module => Stored.Name[..^".weight".Length];

        public static ToWrite Of(StoredTensor tensor, TensorMap names) =>
            names.NameOf(tensor.Info.Name) is not null && names.TryMap(tensor.Path, tensor.Info, out TensorInfo? mapped, out int expert)
                ? new ToWrite(tensor.Info, mapped, Math.Max(expert, 0))
                : new ToWrite(tensor.Info, null, 0);
    }

    private sealed class Unchanged(Func<TensorInfo, GroupedIntegers> integers) : ICheckpointContents
    {
        public GroupedIntegers Integers(TensorInfo map, int expert) => integers(map);
    }
}
