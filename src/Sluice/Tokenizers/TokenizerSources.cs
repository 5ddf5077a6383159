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
        return model.Metadata.Contains(JsonKey) && !model.Metadata.Contains(Vocabulary.ModelKey)
            ? TokenizerJson.Parse(Encoding.UTF8.GetBytes(model.Metadata.GetString(JsonKey)), $"{model.Path}: {JsonKey}", JsonSpecialIds.Read(model.Metadata))
            : GgufTokenizer.Create(VocabularyReader.Read(model.Metadata));
    }

    /// <summary>
    /// Puts the tokenizer of a Hugging Face folder into the metadata of a GGUF file, whole, under the key that GGUF has for that, so
    /// that the file needs no folder.
    /// </summary>
    /// <exception cref="IOException">There is no <c>tokenizer.json</c>, or it cannot be read.</exception>
    public static void Embed(string folder, Metadata metadata)
    {
        metadata[JsonKey] = File.ReadAllText(Path.Combine(folder, "tokenizer.json"));
        string config = Path.Combine(folder, JsonSpecialIds.ConfigName);
        if (File.Exists(config))
            metadata[JsonSpecialIds.ConfigKey] = File.ReadAllText(config);
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
