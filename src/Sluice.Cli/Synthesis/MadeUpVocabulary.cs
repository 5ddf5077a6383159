using Sluice.Files;

namespace Sluice.Cli.Synthesis;

/// <summary>
/// A vocabulary for a model of random weights, so that engines serve it as they do a real one: a token for every byte, named as
/// byte-level BPE names them (GPT-2), then tokens that are no part of any text, and a last one that ends a text.
/// </summary>
internal static class MadeUpVocabulary
{
    private const int Normal = 1, Control = 3; // token types of GGUF

    public static void AddTo(Metadata metadata, int count)
    {
        string[] tokens = new string[count];
        int[] types = new int[count];
        Array.Fill(types, Normal);
        int hidden = 0;
        for (int i = 0; i < count; i++)
            tokens[i] = i < 256 ? ((char)(IsShown(i) ? i : 256 + hidden++)).ToString() : $"t{i}";
        (tokens[^1], types[^1]) = ("<|end|>", Control);
        // A list of merges without any is one that some readers take for a missing one.
        tokens[256] = "th";
        metadata.Add("tokenizer.ggml.model", "gpt2");
        metadata.Add("tokenizer.ggml.pre", "gpt-2");
        metadata.Add("tokenizer.ggml.tokens", tokens);
        metadata.Add("tokenizer.ggml.token_type", types);
        metadata.Add("tokenizer.ggml.merges", (string[])["t h"]);
        metadata.Add("tokenizer.ggml.bos_token_id", (uint)(count - 1));
        metadata.Add("tokenizer.ggml.eos_token_id", (uint)(count - 1));
        metadata.Add("tokenizer.ggml.add_bos_token", false);
    }

    /// <summary>Whether a byte is named by the character of its number; the others have those from 256 on, in order.</summary>
    private static bool IsShown(int value) => value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
}
