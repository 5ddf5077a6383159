using System.Collections.Frozen;
using System.Text;

namespace Sluice.Tokenizers;

/// <summary>
/// Which tokens end a generation and which are control tokens, where a model's files do not say: by the names that models use.
/// </summary>
internal static class SpecialTokens
{
    // Ends of texts, turns and messages.
    private static readonly string[] Ends =
    [
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<end_of_turn>",
        "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<end_of_utterance>",
        "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
        // Of fill-in-the-middle: what would begin another file, and padding.
        "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
        "<reponame>", "<|file_sep|>",
    ];

    // Other marks of fill-in-the-middle.
    private static readonly string[] Controls =
    [
        "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>",
        "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>",
        "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>",
    ];

    // Parts of gpt-oss's message headers, which its readers must see.
    private static readonly string[] Visible = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

    /// <summary>Completes the types of tokens, and finds the tokens that end a generation.</summary>
    /// <param name="map">The tokens by their texts.</param>
    /// <param name="types">Their types; changed.</param>
    /// <param name="known">Those that end a generation by the model's metadata.</param>
    public static FrozenSet<int> Complete(TokenMap map, TokenType[] types, IEnumerable<int> known)
    {
        HashSet<int> ends = [];
        foreach (string name in Ends)
        {
            if (Find(name) is var id && id >= 0)
            {
                ends.Add(id);
                types[id] = TokenType.Control;
            }
        }
        foreach (string name in Controls)
        {
            if (Find(name) is var id && id >= 0)
                types[id] = TokenType.Control;
        }
        foreach (string name in Visible)
        {
            if (Find(name) is var id && id >= 0)
                types[id] = TokenType.UserDefined;
        }
        ends.UnionWith(known);

        // Where there is a mark for the end of the answer, <|end|> only ends a message within it (gpt-oss, Solar Open).
        bool hasCall = Has("<|call|>") || Has("<|calls|>");
        if (hasCall && (Has("<|return|>") || Has("<|flush|>")) && Has("<|end|>"))
        {
            ends.Remove(Find("<|end|>"));
            types[Find("<|end|>")] = TokenType.UserDefined;
        }
        // Gemma 4 has the string </s> in its vocabulary, as text.
        if (Has("<|tool_response>") && Has("</s>"))
        {
            ends.Remove(Find("</s>"));
            types[Find("</s>")] = TokenType.Normal;
        }
        return ends.ToFrozenSet();

        int Find(string name) => map.Find(Encoding.UTF8.GetBytes(name));
        bool Has(string name) => Find(name) is var id && ends.Contains(id);
    }
}
