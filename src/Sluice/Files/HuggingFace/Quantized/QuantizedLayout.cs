namespace Sluice.Files.HuggingFace;

/// <summary>A tensor and the file that it is in.</summary>
internal readonly record struct StoredTensor(string Path, TensorInfo Info);

/// <summary>
/// How a method's checkpoints store the weight of a linear map: as several tensors by the map's name. They become one, without a loss,
/// in a format that Sluice runs.
/// </summary>
internal abstract class QuantizedLayout
{
    private static readonly Dictionary<string, Func<JsonFile, QuantizedLayout>> ByMethod = new(StringComparer.Ordinal)
    {
        ["gptq"] = config => new Gptq(config),
        ["awq"] = config => new Awq(config),
        ["compressed-tensors"] = config => new CompressedTensors(config),
        ["fp8"] = config => new Float8Checkpoint(config),
        ["fbgemm_fp8"] = config => new Float8Checkpoint(config),
        ["bitsandbytes"] = config => new BitsAndBytes(config),
        ["mxfp4"] = config => new Mxfp4(config),
    };

    /// <summary>
    /// Ends of the names of static scales of a cache of keys and values in FP8, by whichever program. The caches here find scales as they go,
    /// or need none.
    /// </summary>
    private static readonly string[] CacheScales = ["k_scale", "v_scale", "kv_scale", "output_scale"];

    /// <summary>Ends of the names of the tensors that belong to one linear map, besides <c>weight</c> and <c>bias</c>.</summary>
    protected abstract IReadOnlyList<string> Suffixes { get; }

    /// <summary>What <c>quantization_config</c> describes, or the files beside it that older programs wrote.</summary>
    /// <exception cref="NotSupportedException">The method, or a key of it, is not implemented; the message names it.</exception>
    public static QuantizedLayout Of(JsonFile config)
    {
        string folder = Path.GetDirectoryName(config.Path)!;
        if (config.ObjectOrNull("quantization_config") is { } own)
            return Of(own, own.TextOrNull("quant_method") ?? throw own.Missing("quant_method"));
        if (config.ObjectOrNull("compression_config") is { } compression)
            return Of(compression, "compressed-tensors");
        if (JsonFile.ReadIfThere(Path.Combine(folder, "quantize_config.json")) is { } autoGptq)
            return Of(autoGptq, autoGptq.TextOrNull("quant_method") ?? "gptq");
        if (JsonFile.ReadIfThere(Path.Combine(folder, "quant_config.json")) is { } autoAwq)
            return Of(autoAwq, autoAwq.TextOrNull("quant_method") ?? "awq");
        return new Float8Checkpoint(null); // plain floats, some of 8 bits perhaps
    }

    private static QuantizedLayout Of(JsonFile config, string method) => ByMethod.TryGetValue(method, out Func<JsonFile, QuantizedLayout>? make)
        ? make(config)
        : throw config.Unsupported("quant_method", $"it reads {string.Join(", ", ByMethod.Keys)}");

    /// <summary>Puts a weight in the place of the tensors that it is made of, and leaves all others.</summary>
    /// <exception cref="InvalidDataException">One of them is missing, or of a wrong shape.</exception>
    public IEnumerable<StoredTensor> Join(IReadOnlyCollection<StoredTensor> tensors)
    {
        OrderedDictionary<string, QuantizedModule> modules = new(StringComparer.Ordinal);
        List<(StoredTensor? Tensor, QuantizedModule? Module)> order = [];
        foreach (StoredTensor tensor in tensors)
        {
            string? suffix = Suffixes.Append("weight").Append("bias").Concat(CacheScales)
                .FirstOrDefault(suffix => tensor.Info.Name.EndsWith("." + suffix, StringComparison.Ordinal));
            if (suffix is null)
            {
                order.Add((tensor, null));
                continue;
            }
            string name = tensor.Info.Name[..^(suffix.Length + 1)];
            if (!modules.TryGetValue(name, out QuantizedModule? module))
            {
                modules.Add(name, module = new QuantizedModule(name));
                order.Add((null, module));
            }
            module.Add(suffix, tensor);
        }
        foreach ((StoredTensor? tensor, QuantizedModule? module) in order)
        {
            if (tensor is { } other)
                yield return other;
            if (module is null)
                continue;
            foreach (string suffix in CacheScales)
                module.Drop(suffix);
            if (IsQuantized(module))
            {
                float range = InputRange(module);
                TensorInfo weight = Read(module);
                weight.InputRange = range;
                yield return new StoredTensor(module.Path, weight);
            }
            foreach (StoredTensor rest in module.Rest())
                yield return rest;
        }
    }

    /// <summary>Whether a map's tensors are such as this method stores.</summary>
    protected abstract bool IsQuantized(QuantizedModule module);

    /// <summary>Makes the weight; takes the tensors that it is made of.</summary>
    protected abstract TensorInfo Read(QuantizedModule module);

    /// <summary>The largest magnitude that the static scale of a map's inputs stands for, 0 if there is none; takes the tensors that say so.</summary>
    protected virtual float InputRange(QuantizedModule module) => 0;

    /// <summary>Refuses a key that is none of those known.</summary>
    protected static void RefuseOthers(JsonFile config, params ReadOnlySpan<string> known)
    {
        foreach (string key in config.Keys)
        {
            if (!known.Contains(key))
                throw config.Unsupported(key);
        }
    }
}
