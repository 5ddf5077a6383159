using TorchSharp;
using static TorchSharp.torch;

namespace Sluice.TrainStarter;

/// <summary>
/// Turns a text of stories, one paragraph a line, into tokens of separate stories. Where nothing but a new line stands between
/// stories, their first words or the teacher's expectation of an end tell them apart.
/// </summary>
internal static class Corpus
{
    /// <summary>The stories of a text, each from its begin token to its end token.</summary>
    public static List<ushort[]> Stories(string text, Teacher teacher)
    {
        string[] parts = Plain(text).Split("<|endoftext|>");
        if (parts.Length > 1)
            return [.. parts.Select(Lines).Where(lines => lines.Length > 0).Select(lines => Story(lines, teacher))];
        string[] lines = Lines(parts[0]);
        bool[] ends = Ends(lines, teacher);
        List<ushort[]> stories = [];
        int first = 0;
        for (int line = 0; line < lines.Length; line++)
        {
            bool over = line + 1 == lines.Length || Opens(lines[line + 1]) || (ends[line] && !Closes(lines[line + 1]));
            if (!over) continue;
            stories.Add(Story(lines[first..(line + 1)], teacher));
            first = line + 1;
        }
        return stories;
    }

    private static ushort[] Story(string[] lines, Teacher teacher) =>
        [Mark.Begin, .. Encode(string.Join('\n', lines), teacher), Mark.End];

    private static IEnumerable<ushort> Encode(string text, Teacher teacher) =>
        teacher.Tokenizer.Encode(text, addSpecial: false).Select(token => (ushort)token);

    private static string[] Lines(string text) =>
        text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Typographic marks as plain ones: the vocabulary would spell them in bytes.</summary>
    private static string Plain(string text) => text.ReplaceLineEndings("\n")
        .Replace('\u201c', '"').Replace('\u201d', '"').Replace('\u2018', '\'').Replace('\u2019', '\'')
        .Replace('\u2013', '-').Replace("\u2014", " - ").Replace("\u2026", "...");

    private static bool Opens(string line) =>
        line.StartsWith("Once upon a time", StringComparison.Ordinal) || line.StartsWith("Once there", StringComparison.Ordinal);

    private static bool Closes(string line) =>
        line.StartsWith("The end", StringComparison.OrdinalIgnoreCase) || line.StartsWith("The moral", StringComparison.Ordinal);

    /// <summary>Whether the teacher expects a story to be over after each line.</summary>
    private static bool[] Ends(string[] lines, Teacher teacher)
    {
        List<ushort> tokens = [Mark.Begin];
        int[] lastToken = new int[lines.Length];
        for (int line = 0; line < lines.Length; line++)
        {
            // A text begins with a token for a space, which does not belong in the middle.
            tokens.AddRange(line == 0 ? Encode(lines[line], teacher) : Encode("\n" + lines[line], teacher).Skip(1));
            lastToken[line] = tokens.Count - 1;
        }
        int context = teacher.Shape.Context, step = context / 2;
        float[] over = new float[tokens.Count];
        foreach (int[] starts in Enumerable.Range(0, tokens.Count / step + 1).Select(i => i * step).Chunk(16))
        {
            using DisposeScope scope = NewDisposeScope();
            long[] windows = [.. starts.SelectMany(start => Enumerable.Range(start, context)
                .Select(i => i < tokens.Count ? tokens[i] : (long)Mark.End))];
            float[] ends = [.. teacher.Probabilities(tensor(windows).view(starts.Length, context))
                .select(-1, Mark.End).flatten().data<float>()];
            for (int row = 0; row < starts.Length; row++)
                for (int t = starts[row] == 0 ? 0 : step; t < context && starts[row] + t < tokens.Count; t++)
                    over[starts[row] + t] = ends[row * context + t];
        }
        return [.. lastToken.Select(last => over[last] > 0.4f)];
    }
}
