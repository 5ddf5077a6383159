using System.Collections.Concurrent;
using Sluice.Files;
using Sluice.Grammars;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Tests.Grammars;

/// <summary>Vocabularies, and texts that are chosen at random among what a grammar allows.</summary>
internal static class Vocabulary
{
    private static readonly ConcurrentDictionary<string, Tokenizer> Loaded = [];

    /// <summary>Of the model that comes with the repository.</summary>
    public static Tokenizer Starter => Load(Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf"));

    /// <summary>A real one; skips the test where it is absent.</summary>
    public static Tokenizer Golden(string name) => Load(SharedFiles.Shared("golden", "tokenizers", name + ".gguf"));

    /// <summary>A text token by token, at random, with a liking for what ends strings, arrays and objects.</summary>
    public static string RandomText(Grammar grammar, Tokenizer tokenizer, Random random, int mostTokens = 3000)
    {
        int[] closing = [.. new[] { "\"", "]", "}" }.Select(text => tokenizer.Encode(text, addSpecial: false)[^1]), .. tokenizer.EndOfGeneration];
        GrammarMatcher matcher = grammar.Match(tokenizer);
        List<int> tokens = [];
        List<int> allowed = [];
        while (!matcher.IsComplete)
        {
            Assert.True(tokens.Count < mostTokens, "It does not end: " + tokenizer.Decode(tokens.ToArray()));
            allowed.Clear();
            Each(matcher.Allowed, allowed);
            int[] ends = [.. closing.Where(allowed.Contains)];
            int token = ends.Length > 0 && random.NextDouble() < 0.3 ? ends[random.Next(ends.Length)] : allowed[random.Next(allowed.Count)];
            matcher.Accept(token);
            if (!tokenizer.IsEndOfGeneration(token))
                tokens.Add(token);
        }
        StreamingDetokenizer text = new(tokenizer, skipSpecial: false, isContinuation: true);
        return string.Concat(tokens.Select(text.Append)) + text.Flush();
    }

    /// <summary>The tokens that have a bit.</summary>
    public static void Each(ReadOnlySpan<ulong> bits, List<int> tokens)
    {
        for (int i = 0; i < bits.Length * 64; i++)
        {
            if ((bits[i / 64] >> (i % 64) & 1) != 0)
                tokens.Add(i);
        }
    }

    private static Tokenizer Load(string path) => Loaded.GetOrAdd(path, static path =>
    {
        using ModelFile file = ModelFile.Open(path);
        return Tokenizer.FromModel(file);
    });
}
