namespace Sluice.Tokenizers;

/// <summary>What a token of a vocabulary is, with the numbers of GGUF's <c>tokenizer.ggml.token_type</c>.</summary>
public enum TokenType
{
    /// <summary>Nothing known; it stands for no text.</summary>
    Undefined = 0,

    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>What stands for text that no other token covers.</summary>
    Unknown = 2,

    /// <summary>A mark that no text means, such as the end of a turn.</summary>
    Control = 3,

    /// <summary>A string that is one token wherever it occurs in a text.</summary>
    UserDefined = 4,

    /// <summary>A free place; it stands for no text.</summary>
    Unused = 5,

    /// <summary>One byte, written <c>&lt;0x0A&gt;</c>, for text that has no other token.</summary>
    Byte = 6,
}
