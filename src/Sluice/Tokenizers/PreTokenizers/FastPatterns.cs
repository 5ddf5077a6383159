using System.Collections.Frozen;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>The patterns that have a hand-written pre-tokenizer, several times as fast as the matcher.</summary>
internal static class FastPatterns
{
    /// <summary>By the pattern, as it is published.</summary>
    public static FrozenDictionary<string, PreTokenizer> All { get; } = new Dictionary<string, PreTokenizer>
    {
        [Gpt2.Pattern] = new Gpt2(),
        [new Cl100k(1).Pattern] = new Cl100k(1),
        [new Cl100k(3).Pattern] = new Cl100k(3),
        [new Cl100k(int.MaxValue).Pattern] = new Cl100k(int.MaxValue),
        [new Cl100k(1, contractions: false).Pattern] = new Cl100k(1, contractions: false),
        [new Cl100k(1, marks: true).Pattern] = new Cl100k(1, marks: true),
        [new O200k(1, contractions: false).Pattern] = new O200k(1, contractions: false),
        [new O200k(3, contractions: true).Pattern] = new O200k(3, contractions: true),
    }.ToFrozenDictionary();

    /// <summary>The pre-tokenizer of a pattern whose matches, and what lies between, are pieces.</summary>
    /// <exception cref="NotSupportedException">The pattern uses what the matcher does not know.</exception>
    public static PreTokenizer Split(string pattern) =>
        All.TryGetValue(pattern, out PreTokenizer? fast) ? fast : new PatternSplit(pattern);
}
