using System.Text.Json;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>Opens an adapter as Hugging Face's PEFT saves it, with the names and the layout that GGUF has for its tensors.</summary>
internal static class PeftAdapter
{
    private const string ConfigName = "adapter_config.json", TensorsName = "adapter_model.safetensors";

    // What says how the adapter was trained or where it came from, and nothing of what it computes.
    private static readonly string[] Harmless =
    [
        "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "lora_dropout", "target_modules", "exclude_modules",
        "layers_to_transform", "layers_pattern", "peft_version", "ensure_weight_tying", "qalora_group_size", "runtime_config",
    ];

    public static AdapterFile Open(string folder, Metadata model)
    {
        string path = Path.Combine(folder, TensorsName);
        if (!File.Exists(Path.Combine(folder, ConfigName)))
            throw new InvalidDataException($"{folder} is no adapter: it has no {ConfigName}.");
        Func<int, float> factor = ReadFactor(JsonFile.Read(Path.Combine(folder, ConfigName)));
        if (!File.Exists(path))
        {
            throw File.Exists(Path.Combine(folder, "adapter_model.bin"))
                ? new NotSupportedException($"{folder} has its weights in PyTorch's .bin file; Sluice reads {TensorsName}.")
                : new FileNotFoundException($"{path} is missing.", path);
        }
        TensorMap map = new(TensorLayout.Of(model));
        MappedFile file = MappedFile.Open(path);
        try
        {
            OrderedDictionary<string, TensorInfo> tensors = new(StringComparer.Ordinal);
            foreach (TensorInfo tensor in SafetensorsReader.Read(file).Values)
            {
                TensorInfo mapped = map.MapAdapter(path, tensor);
                if (!tensors.TryAdd(mapped.Name, mapped))
                    throw new InvalidDataException($"{path}: tensor '{tensor.Name}' occurs twice.");
            }
            return new AdapterFile(path, tensors, factor, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>What updates of a rank are multiplied by. Whatever else would change what the adapter computes is refused.</summary>
    private static Func<int, float> ReadFactor(JsonFile config)
    {
        if (config.TextOrNull("peft_type") is not "LORA")
            throw config.Unsupported("peft_type", "it has LORA");
        int rank = config.CountOrNull("r") ?? throw config.Missing("r");
        float alpha = config.PositiveOrNull("lora_alpha") ?? throw config.Missing("lora_alpha");
        if (config.TextOrNull("bias") is not (null or "none"))
            throw config.Unsupported("bias", "it has none");
        bool isStabilized = config.BoolOrNull("use_rslora") ?? false;
        foreach (string key in config.Keys.Where(key => !Harmless.Contains(key) && key is not ("peft_type" or "r" or "lora_alpha" or "bias" or "use_rslora")))
        {
            if (config.TryGet(key, out JsonElement value) && !IsOff(key, value))
                throw config.Unsupported(key);
        }
        return of => of == rank
            ? alpha / (isStabilized ? MathF.Sqrt(rank) : rank)
            : throw new InvalidDataException($"{config.Path}: key 'r' is {rank}, but a tensor is of rank {of}.");
    }

    // How the weights began matters only where the model's own were changed for it.
    private static bool IsOff(string key, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.True => key == "init_lora_weights",
        JsonValueKind.String => key == "init_lora_weights" && value.GetString() is "gaussian" or "eva" or "orthogonal",
        _ => false,
    };
}
