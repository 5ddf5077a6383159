using Sluice.Files;
using Sluice.Tokenizers;

namespace Sluice.Compression;

/// <summary>The metadata of a GGUF file that is made of a model.</summary>
public static class ModelMetadata
{
    /// <summary>The model's own, but for what says how its files were split; of a Hugging Face folder with the tokenizer, which lies beside it there.</summary>
    public static Metadata Copy(ModelFile file)
    {
        Metadata metadata = new(file.Path);
        foreach ((string key, MetadataValue value) in file.Metadata)
        {
            if (!key.StartsWith("split.", StringComparison.Ordinal))
                metadata.Add(key, value);
        }
        if (file.Folder is { } folder)
            Tokenizer.Embed(folder, metadata);
        return metadata;
    }
}
