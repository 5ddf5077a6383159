namespace Sluice.Tokenizers.Templates;

/// <summary>The special tokens that templates know by name.</summary>
internal static class ModelTokens
{
    public static IEnumerable<(string Variable, string Token)> Read(Tokenizer tokenizer)
    {
        (string, int?)[] named =
        [
            ("bos_token", tokenizer.BosId),
            ("eos_token", tokenizer.EosId),
            ("unk_token", tokenizer.UnknownId),
            ("pad_token", tokenizer.PaddingId),
        ];
        foreach ((string variable, int? id) in named)
        {
            if (id is { } token)
                yield return (variable, tokenizer.TokenText(token));
        }
    }
}
