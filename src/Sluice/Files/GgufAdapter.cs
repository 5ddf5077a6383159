namespace Sluice.Files;

/// <summary>Opens an adapter in GGUF, as llama.cpp's convert_lora_to_gguf writes it.</summary>
internal static class GgufAdapter
{
    private const string Prefix = "adapter.";

    public static AdapterFile Open(string path, Metadata model)
    {
        ModelFile file = GgufReader.Open(path);
        try
        {
            Metadata metadata = file.Metadata;
            if (metadata.GetString("general.type", "model") is not "adapter" and string type)
                throw new InvalidDataException($"{path}: metadata key 'general.type' is '{type}', not 'adapter'.");
            if (metadata.GetString("adapter.type") is not "lora" and string kind)
                throw new NotSupportedException($"{path}: metadata key 'adapter.type' is '{kind}'; Sluice reads 'lora'.");
            string architecture = metadata.GetString("general.architecture"), modelArchitecture = model.GetString("general.architecture");
            if (architecture != modelArchitecture)
                throw new InvalidDataException($"{path} is an adapter for {architecture} models; {model.Source} is {modelArchitecture}.");
            float alpha = metadata.GetFloat("adapter.lora.alpha");
            if (metadata.UnreadKeys.FirstOrDefault(key => key.StartsWith(Prefix, StringComparison.Ordinal)) is { } unknown)
                throw new NotSupportedException($"{path}: metadata key '{unknown}' is not implemented for adapters.");
            // As llama.cpp has it, an alpha of 0 means that there is none.
            return new AdapterFile(path, file.Tensors, (_, rank) => alpha == 0 ? 1 : alpha / rank, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
