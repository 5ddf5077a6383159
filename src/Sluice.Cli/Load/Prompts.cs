namespace Sluice.Cli.Load;

/// <summary>Made-up prompts: the same for the same seed, and of which no two begin alike but for the shared prefix.</summary>
/// <param name="vocabulary">Token ids are below it; 0 for texts of words, of which most vocabularies have a token each.</param>
/// <param name="sharedPrefix">Tokens that all begin with.</param>
/// <param name="seed">Where random numbers start.</param>
internal sealed class Prompts(int vocabulary, int sharedPrefix, int seed)
{
    private static readonly string[] Words =
    [
        "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state", "family", "student",
        "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system", "program", "question", "work", "number",
        "night", "point", "home", "water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right", "study", "book", "eye",
        "job", "word", "business", "issue", "side", "kind", "head", "house", "service", "friend", "father", "power", "hour", "game", "line",
        "end", "member", "law", "car",
    ];

    private readonly int[] _prefix = Draw(new Random(seed), vocabulary, sharedPrefix);

    /// <summary>Whether they are token ids.</summary>
    public bool AreTokens => vocabulary > 0;

    /// <summary>The ids of one: the shared prefix and then some of its own.</summary>
    /// <param name="index">Which; -1 for one that is none of the run's.</param>
    /// <param name="length">Tokens besides the shared prefix.</param>
    public int[] Tokens(int index, int length) => [.. _prefix, .. Draw(new Random(HashCode(index)), vocabulary, length)];

    /// <summary>The same as a text, a word for each.</summary>
    public string Text(int index, int length) => string.Join(' ', Tokens(index, length).Select(word => Words[word]));

    private int HashCode(int index) => unchecked((seed * 31) + ((index + 2) * 1_000_003)); // System.HashCode differs from run to run

    private static int[] Draw(Random random, int vocabulary, int count)
    {
        int[] ids = new int[count];
        foreach (ref int id in ids.AsSpan())
            id = random.Next(vocabulary > 0 ? vocabulary : Words.Length);
        return ids;
    }
}
