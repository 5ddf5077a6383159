using Sluice.Tokenizers.Bpe;

namespace Sluice.Tokenizers;

/// <summary>Small vocabularies for tests.</summary>
internal static class Vocabularies
{
    /// <summary>All bytes as GPT-2 writes them.</summary>
    public static string[] Bytes { get; } = [.. Enumerable.Range(0, 256).Select(ByteText)];

    /// <summary>Byte-level BPE: the bytes, then what the merges make, then special tokens.</summary>
    public static Vocabulary ByteLevel(string[] merges, string pre = "gpt-2", string[]? control = null, string[]? userDefined = null)
    {
        string[] merged = [.. merges.Select(merge => merge.Replace(" ", "")).Distinct()];
        string[] tokens = [.. Bytes, .. merged, .. control ?? [], .. userDefined ?? []];
        int[] types =
        [
            .. Enumerable.Repeat((int)TokenType.Normal, Bytes.Length + merged.Length),
            .. Enumerable.Repeat((int)TokenType.Control, control?.Length ?? 0),
            .. Enumerable.Repeat((int)TokenType.UserDefined, userDefined?.Length ?? 0),
        ];
        return new() { Model = "gpt2", Pre = pre, Tokens = new(tokens), Types = types, Merges = new(merges), Source = "test.gguf" };
    }

    /// <summary>SentencePiece: unknown, beginning, end, the bytes, then tokens with their scores.</summary>
    public static Vocabulary SentencePiece(
        (string Text, float Score)[] tokens, bool addSpace = true, string[]? userDefined = null, string name = "")
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>")];
        string[] texts = ["<unk>", "<s>", "</s>", .. bytes, .. tokens.Select(token => token.Text), .. userDefined ?? []];
        int[] types =
        [
            2, 3, 3, .. Enumerable.Repeat((int)TokenType.Byte, 256), .. Enumerable.Repeat((int)TokenType.Normal, tokens.Length),
            .. Enumerable.Repeat((int)TokenType.UserDefined, userDefined?.Length ?? 0),
        ];
        float[] scores = [.. new float[259], .. tokens.Select(token => token.Score), .. new float[userDefined?.Length ?? 0]];
        return new()
        {
            Model = "llama",
            Tokens = new(texts),
            Scores = scores,
            Types = types,
            Flags = new Dictionary<string, bool> { ["add_space_prefix"] = addSpace },
            ModelName = name,
            Source = "test.gguf",
        };
    }

    private static string ByteText(int value)
    {
        byte[] decoded = new byte[2];
        for (char c = '!'; ; c++)
        {
            if (ByteAlphabet.Decode(System.Text.Encoding.UTF8.GetBytes(c.ToString()), decoded) == 1 && decoded[0] == value)
                return c.ToString();
        }
    }
}
