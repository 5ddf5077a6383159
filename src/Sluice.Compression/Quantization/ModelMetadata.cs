using System.Runtime.CompilerServices;
using Sluice.Files;
using Sluice.Tokenizers;

namespace Sluice.Compression;

/// <summary>The metadata of a GGUF file that is made of a model.</summary>
public static class ModelMetadata
{
    // Made once for a file: plans are measured again and again.
    private static readonly ConditionalWeakTable<ModelFile, EmbeddedTokenizer> Tokenizers = [];

    /// <summary>The model's own, but for what says how its files were split; of a Hugging Face folder with the tokenizer, which lies beside it there.</summary>
    /// <exception cref="IOException">The folder has no <c>tokenizer.json</c>, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged; the message names the key.</exception>
    public static Metadata Copy(ModelFile file)
    {
        Metadata metadata = new(file.Path);
        foreach ((string key, MetadataValue value) in Embedded(file)?.Metadata ?? file.Metadata)
        {
            if (!key.StartsWith("split.", StringComparison.Ordinal))
                metadata.Add(key, value);
        }
        return metadata;
    }

    /// <summary>What programs other than Sluice will not find of a Hugging Face folder's tokenizer in <see cref="Copy"/>, in a line; null if all is there.</summary>
    /// <inheritdoc cref="Copy"/>
    public static string? TokenizerNote(ModelFile file) => Embedded(file)?.Note;

    private static EmbeddedTokenizer? Embedded(ModelFile file) => file.Folder is null ? null : Tokenizers.GetValue(file, file =>
    {
        Metadata metadata = new(file.Path);
        foreach ((string key, MetadataValue value) in file.Metadata)
            metadata.Add(key, value);
        return new EmbeddedTokenizer(metadata, Tokenizer.Embed(file.Folder!, metadata));
    });

    private sealed record EmbeddedTokenizer(Metadata Metadata, string? Note);
}
