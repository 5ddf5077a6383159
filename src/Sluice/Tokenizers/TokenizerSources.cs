using Sluice.Files;

namespace Sluice.Tokenizers;

public abstract partial class Tokenizer
{
    /// <summary>The tokenizer of a model: from a GGUF file's metadata, or from a Hugging Face folder's <c>tokenizer.json</c>.</summary>
    /// <exception cref="InvalidDataException">
    /// The vocabulary is not consistent, or parts of it are missing; the message names the file and the key.
    /// </exception>
    /// <exception cref="NotSupportedException">It is of a kind that Sluice does not have; the message names key and value.</exception>
    public static Tokenizer FromModel(ModelFile model) => GgufTokenizer.Create(VocabularyReader.Read(model.Metadata));
}
