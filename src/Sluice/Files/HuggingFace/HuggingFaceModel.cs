using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// Opens a Hugging Face folder (<c>config.json</c>, safetensors in one file or in shards) as if it were the GGUF file of the same
/// model.
/// </summary>
internal static class HuggingFaceModel
{
    private const string IndexName = "model.safetensors.index.json";

    /// <summary>Opens a folder, or one file in it, and the others if it is one of the shards of an index.</summary>
    public static ModelFile Open(string folder, string? file = null)
    {
        JsonFile config = JsonFile.Read(Path.Combine(folder, "config.json"));
        ConfigMap map = new(config);
        TokenizerConfig.AddTo(map.Metadata, folder, config);
        PoolingConfig.AddTo(map.Metadata, folder, map.Architecture.Gguf);
        Dictionary<string, string>? index = Index(folder, file);
        List<MappedFile> files = OpenFiles(folder, file, index);
        try
        {
            return new ModelFile(file ?? folder, map.Metadata, Read(map, files, index), files, folder);
        }
        catch
        {
            files.ForEach(mapped => mapped.Dispose());
            throw;
        }
    }

    /// <summary>Opens a folder with the names and the order of rows that its own files have.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="files">What the caller closes.</param>
    public static (ConfigMap Config, IReadOnlyList<StoredTensor> Tensors) OpenStored(string folder, out List<MappedFile> files)
    {
        ConfigMap map = new(JsonFile.Read(Path.Combine(folder, "config.json")));
        Dictionary<string, string>? index = Index(folder, null);
        files = OpenFiles(folder, null, index);
        return (map, [.. ReadStored(map, files, index)]);
    }

    private static List<MappedFile> OpenFiles(string folder, string? file, Dictionary<string, string>? index)
    {
        string[] paths = index is null
            ? [file ?? SingleFile(folder)]
            : [.. index.Values.Distinct().Select(name => Path.Combine(folder, name))];
        List<MappedFile> files = [];
        try
        {
            foreach (string path in paths)
            {
                files.Add(File.Exists(path)
                    ? MappedFile.Open(path)
                    : throw new FileNotFoundException($"{path} is missing.", path));
            }
            return files;
        }
        catch
        {
            files.ForEach(mapped => mapped.Dispose());
            throw;
        }
    }

    /// <summary>The tensors of all files, as GGUF has them.</summary>
    public static OrderedDictionary<string, TensorInfo> Read(
        ConfigMap config, IReadOnlyList<MappedFile> files, Dictionary<string, string>? index = null)
    {
        TensorLayout layout = config.Layout;
        TensorMap map = new(layout);
        OrderedDictionary<string, TensorInfo> tensors = new(StringComparer.Ordinal);
        OrderedDictionary<string, ExpertStack> experts = new(StringComparer.Ordinal);
        IEnumerable<StoredTensor> stored = ReadStored(config, files, index);
        foreach (StoredTensor tensor in config.Architecture.HasFusedExperts ? FusedExperts.Split(stored) : stored)
        {
            if (!map.TryMap(tensor.Path, tensor.Info, out TensorInfo? mapped, out int expert))
                continue;
            if (expert >= 0)
            {
                if (!experts.TryGetValue(mapped.Name, out ExpertStack? stack))
                    experts.Add(mapped.Name, stack = new ExpertStack(mapped.Name, layout.Experts));
                stack.Add(expert, tensor.Path, tensor.Info.Name, mapped);
            }
            else if (!tensors.TryAdd(mapped.Name, mapped))
            {
                throw new InvalidDataException($"{tensor.Path}: tensor '{tensor.Info.Name}' occurs twice.");
            }
        }
        foreach ((string name, ExpertStack stack) in experts)
            tensors.Add(name, stack.ToTensor());
        // GGUF's readers take a missing output matrix as tied.
        if (!config.TiedEmbeddings && !tensors.ContainsKey("output.weight"))
        {
            throw new InvalidDataException(
                $"{files[0].Path}: tensor 'lm_head.weight' is missing, and tie_word_embeddings is not true.");
        }
        OrderedDictionary<string, float> ranges = [];
        foreach (TensorInfo tensor in tensors.Values.Where(tensor => tensor.InputRange > 0))
            ranges.Add(tensor.Name, tensor.InputRange);
        if (ranges.Count > 0)
            new ActivationRanges(ranges, config.Metadata.Source).WriteTo(config.Metadata);
        if (config.Rope.FrequencyFactors is { } factors)
            tensors.Add("rope_freqs.weight", FrequencyFactors(config.Metadata.Source, factors));
        return tensors;
    }

    /// <summary>The tensors of all files by their own names, but each weight one tensor.</summary>
    private static IEnumerable<StoredTensor> ReadStored(
        ConfigMap config, IReadOnlyList<MappedFile> files, Dictionary<string, string>? index)
    {
        OrderedDictionary<string, StoredTensor> stored = new(StringComparer.Ordinal);
        foreach (MappedFile file in files)
        {
            foreach (TensorInfo tensor in SafetensorsReader.Read(file).Values)
            {
                if (index is not null && index.GetValueOrDefault(tensor.Name) != Path.GetFileName(file.Path))
                {
                    throw new InvalidDataException(
                        $"{file.Path}: tensor '{tensor.Name}' is not in this file according to {IndexName}.");
                }
                if (!stored.TryAdd(tensor.Name, new StoredTensor(file.Path, tensor)))
                    throw new InvalidDataException($"{file.Path}: tensor '{tensor.Name}' occurs twice.");
            }
        }
        if (index?.Keys.FirstOrDefault(name => !stored.ContainsKey(name)) is { } missing)
            throw new InvalidDataException($"{index[missing]}: tensor '{missing}' is missing, which {IndexName} says is there.");
        return config.Quantization.Join(stored.Values);
    }

    private static TensorInfo FrequencyFactors(string source, float[] factors)
    {
        MappedFile file = MappedFile.InMemory(source, factors.Length * sizeof(float), out Span<byte> bytes);
        MemoryMarshal.AsBytes(factors.AsSpan()).CopyTo(bytes);
        return new TensorInfo("rope_freqs.weight", TensorType.F32, [factors.Length], file.Bytes);
    }

    /// <summary>Which file each tensor is in, if the folder has shards and <paramref name="file"/>, if given, is one.</summary>
    private static Dictionary<string, string>? Index(string folder, string? file)
    {
        if (JsonFile.ReadIfThere(Path.Combine(folder, IndexName)) is not { } index)
            return null;
        JsonFile map = index.ObjectOrNull("weight_map") ?? throw index.Missing("weight_map");
        Dictionary<string, string> files = new(StringComparer.Ordinal);
        foreach (string tensor in map.Keys)
        {
            string name = map.TextOrNull(tensor)!;
            if (name != Path.GetFileName(name) || !name.EndsWith(".safetensors", StringComparison.Ordinal))
            {
                throw new InvalidDataException(
                    $"{index.Path}: key 'weight_map.{tensor}' is '{name}', which is no safetensors file of this folder.");
            }
            files.Add(tensor, name);
        }
        return file is null || files.ContainsValue(Path.GetFileName(file)) ? files : null;
    }

    private static string SingleFile(string folder)
    {
        string usual = Path.Combine(folder, "model.safetensors");
        if (File.Exists(usual))
            return usual;
        string[] files = Directory.GetFiles(folder, "*.safetensors");
        return files.Length switch
        {
            1 => files[0],
            0 when Directory.EnumerateFiles(folder, "*.bin").Any() => throw new NotSupportedException(
                $"{folder} has its weights in PyTorch's .bin files; Sluice reads safetensors and GGUF."),
            0 => throw new InvalidDataException($"{folder} has a config.json but no safetensors file."),
            _ => throw new InvalidDataException(
                $"{folder} has {files.Length} safetensors files and no {IndexName} to say how they belong together."),
        };
    }
}
