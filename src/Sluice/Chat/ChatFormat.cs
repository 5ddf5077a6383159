using Sluice.Tokenizers;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>
/// How the turns of a conversation are written for a model, known by a control token of its vocabulary. A model without any is
/// no chat model: what is typed and what it says are one growing text.
/// </summary>
/// <param name="Name">The format's name.</param>
/// <param name="Marker">The control token by which it is known.</param>
/// <param name="Before">What comes before a turn's text, by its role.</param>
/// <param name="After">What comes after it.</param>
public sealed record ChatFormat(string Name, string Marker, Func<string, string> Before, Func<string, string> After)
{
    /// <summary>The role of who asks.</summary>
    public const string User = "user";

    /// <summary>The role of the model.</summary>
    public const string Assistant = "assistant";

    /// <summary>The role of what the model is told first.</summary>
    public const string System = "system";

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

    /// <summary>A format by its name.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public static ChatFormat Get(string name) => All.FirstOrDefault(format => format.Name == name)
        ?? throw new ArgumentException($"There is no chat format '{name}'; there are {string.Join(", ", All.Select(format => format.Name))}.", nameof(name));

    /// <summary>The format of a vocabulary.</summary>
    public static ChatFormat Of(Tokenizer tokenizer) =>
        All.First(format => format.Marker.Length == 0 || (tokenizer.TryGetId(format.Marker, out int id) && tokenizer.IsSpecial(id)));

    /// <summary>The tokens of a conversation, up to where the model answers. Control tokens are read in the frames, never in what was said: nobody can fake a turn.</summary>
    public int[] Prompt(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages)
    {
        List<int> tokens = [];
        if (tokenizer.StartId is { } start)
            tokens.Add(start);
        foreach (ChatMessage message in messages)
        {
            AppendFrame(tokenizer, tokens, Before(message.Role));
            tokenizer.Encode(message.Content, tokens, addSpecial: false);
            AppendFrame(tokenizer, tokens, After(message.Role));
        }
        AppendFrame(tokenizer, tokens, Before(Assistant));
        return [.. tokens];
    }

    private static void AppendFrame(Tokenizer tokenizer, List<int> tokens, string frame)
    {
        if (frame.Length > 0)
            tokenizer.Encode(frame, tokens, addSpecial: false, parseSpecial: true);
    }
}
