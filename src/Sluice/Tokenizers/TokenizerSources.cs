using System.Text;
using Sluice.Files;
using Sluice.Tokenizers.Json;

namespace Sluice.Tokenizers;

public abstract partial class Tokenizer
{
    /// <summary>
    /// The tokenizer of a model: from a GGUF file's metadata, or from a Hugging Face folder's <c>tokenizer.json</c>. It does not need
    /// the model's file once it is made.
    /// </summary>
    /// <exception cref="IOException">The folder has no such file, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">
    /// The vocabulary is not consistent, or parts of it are missing; the message names the file and the key.
    /// </exception>
    /// <exception cref="NotSupportedException">Its kind is one that Sluice does not have; the message names it.</exception>
    public static Tokenizer FromModel(ModelFile model)
    {
        if (model.Folder is { } folder)
            return FromFolder(folder);
        // Files that Sluice writes have both, and tokenizer.json says more; elsewhere it is only a last resort.
        bool isOwn = model.Metadata.Contains(JsonSpecialIds.ConfigKey);
        return model.Metadata.Contains(JsonKey) && (isOwn || !model.Metadata.Contains(Vocabulary.ModelKey))
            ? TokenizerJson.Parse(Encoding.UTF8.GetBytes(model.Metadata.GetString(JsonKey)), $"{model.Path}: {JsonKey}", JsonSpecialIds.Read(model.Metadata))
            : GgufTokenizer.Create(VocabularyReader.Read(model.Metadata));
    }

    /// <summary>
    /// Puts the tokenizer of a Hugging Face folder into the metadata of a GGUF file, so that the file needs no folder: whole, under the key
    /// that GGUF has for that, and, for other programs, as <c>tokenizer.ggml.*</c>.
    /// </summary>
    /// <returns>What the <c>tokenizer.ggml.*</c> keys do not say, or why they are not there, in a line; null if they say all.</returns>
    /// <exception cref="IOException">There is no <c>tokenizer.json</c>, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged; the message names the key.</exception>
    public static string? Embed(string folder, Metadata metadata)
    {
        string path = Path.Combine(folder, "tokenizer.json"), config = Path.Combine(folder, JsonSpecialIds.ConfigName);
        byte[] json = File.ReadAllBytes(path);
        metadata[JsonKey] = Encoding.UTF8.GetString(json);
        metadata[JsonSpecialIds.ConfigKey] = File.Exists(config) ? File.ReadAllText(config) : "{}";
        List<string> losses = [];
        try
        {
            VocabularyWriter.Write(TokenizerJson.Describe(json, path, JsonSpecialIds.Read(folder), losses), metadata);
        }
        catch (NotSupportedException error)
        {
            return $"{path} is kept whole, which other programs do not read: {error.Message}.";
        }
        return losses.Count == 0 ? null
            : $"{path} says more than the keys that other programs read: {string.Join("; ", losses)}. Sluice reads it whole.";
    }

    private const string JsonKey = "tokenizer.huggingface.json";

    /// <summary>
    /// The tokenizer of a Hugging Face folder: <c>tokenizer.json</c>, with what <c>tokenizer_config.json</c>,
    /// <c>generation_config.json</c> and <c>config.json</c> say of its special tokens, where they are there.
    /// </summary>
    /// <exception cref="IOException">There is no <c>tokenizer.json</c>, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file is damaged; the message names the file and the key.</exception>
    /// <exception cref="NotSupportedException">Its kind is one that Sluice does not have; the message names it.</exception>
    public static Tokenizer FromFolder(string folder)
    {
        string path = Path.Combine(folder, "tokenizer.json");
        return TokenizerJson.Parse(File.ReadAllBytes(path), path, JsonSpecialIds.Read(folder));
    }

    /// <summary>The tokenizer of a <c>tokenizer.json</c> alone.</summary>
    /// <param name="json">The file's content.</param>
    /// <param name="source">Its name, for messages.</param>
    /// <exception cref="InvalidDataException">It is damaged; the message names the key.</exception>
    /// <exception cref="NotSupportedException">Its kind is one that Sluice does not have; the message names it.</exception>
    public static Tokenizer FromJson(ReadOnlyMemory<byte> json, string source = "tokenizer.json") =>
        TokenizerJson.Parse(json, source, new JsonSpecialIds());
}
