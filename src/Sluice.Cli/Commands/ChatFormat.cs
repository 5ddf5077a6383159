using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>
/// How the turns of a conversation are written for a model, known by a control token of its vocabulary. A model without any is
/// no chat model: what is typed and what it says are one growing text.
/// </summary>
/// <param name="Name">The format's name.</param>
/// <param name="Marker">The control token by which it is known.</param>
/// <param name="Before">What comes before a turn's text, by its role.</param>
/// <param name="After">What comes after it.</param>
internal sealed record ChatFormat(string Name, string Marker, Func<string, string> Before, Func<string, string> After)
{
    public const string User = "user", Assistant = "assistant", System = "system";

    /// <summary>All formats. A new one is an entry here.</summary>
    public static IReadOnlyList<ChatFormat> All { get; } =
    [
        new("chatml", "<|im_start|>", role => $"<|im_start|>{role}\n", _ => "<|im_end|>\n"),
        new("llama-3", "<|start_header_id|>", role => $"<|start_header_id|>{role}<|end_header_id|>\n\n", _ => "<|eot_id|>"),
        new(
            "gemma", "<start_of_turn>",
            // Gemma has no system turn: its instructions come from the user.
            role => $"<start_of_turn>{(role == Assistant ? "model" : User)}\n", _ => "<end_of_turn>\n"),
        new("phi-3", "<|assistant|>", role => $"<|{role}|>\n", _ => "<|end|>\n"),
        new("plain", "", _ => "", _ => ""),
    ];

    /// <summary>The format of a vocabulary.</summary>
    public static ChatFormat Of(Tokenizer tokenizer) =>
        All.First(format => format.Marker.Length == 0 || (tokenizer.TryGetId(format.Marker, out int id) && tokenizer.IsSpecial(id)));

    /// <summary>Appends a whole turn. Control tokens are read in the frame, never in the text: nobody can fake a turn.</summary>
    public void AppendTurn(Tokenizer tokenizer, List<int> tokens, string role, string text)
    {
        AppendFrame(tokenizer, tokens, Before(role));
        tokenizer.Encode(text, tokens, addSpecial: false);
        AppendFrame(tokenizer, tokens, After(role));
    }

    /// <summary>Appends the beginning of the model's turn.</summary>
    public void AppendAnswerStart(Tokenizer tokenizer, List<int> tokens) => AppendFrame(tokenizer, tokens, Before(Assistant));

    /// <summary>Appends the end of the model's turn, after its tokens but for one that ended it.</summary>
    public void AppendAnswerEnd(Tokenizer tokenizer, List<int> tokens) => AppendFrame(tokenizer, tokens, After(Assistant));

    private static void AppendFrame(Tokenizer tokenizer, List<int> tokens, string frame)
    {
        if (frame.Length > 0)
            tokenizer.Encode(frame, tokens, addSpecial: false, parseSpecial: true);
    }
}
