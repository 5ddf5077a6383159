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
        PeftScaling scaling = ReadConfig(JsonFile.Read(Path.Combine(folder, ConfigName)));
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
            Dictionary<string, string> modules = new(StringComparer.Ordinal); // by the names of the model's tensors
            foreach (TensorInfo tensor in SafetensorsReader.Read(file).Values)
            {
                TensorInfo mapped = map.MapAdapter(path, tensor, out string module);
                modules[mapped.Name[..^".lora_a".Length]] = module;
                if (!tensors.TryAdd(mapped.Name, mapped))
                    throw new InvalidDataException($"{path}: tensor '{tensor.Name}' occurs twice.");
            }
            return new AdapterFile(path, tensors, (name, rank) => scaling.Of(modules[name], rank), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whatever would change what the adapter computes, and is not known here, is refused.</summary>
    private static PeftScaling ReadConfig(JsonFile config)
    {
        if (config.TextOrNull("peft_type") is not "LORA")
            throw config.Unsupported("peft_type", "it has LORA");
        if (config.TextOrNull("bias") is not (null or "none"))
            throw config.Unsupported("bias", "it has none");
        foreach (string key in config.Keys.Where(key => !Harmless.Contains(key) && !PeftScaling.Keys.Contains(key) && key is not ("peft_type" or "bias")))
        {
            if (config.TryGet(key, out JsonElement value) && !IsOff(key, value))
                throw config.Unsupported(key);
        }
        return new PeftScaling(config);
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
