using System.Runtime.InteropServices;

namespace Sluice.TrainStarter;

/// <summary>The tokens of many stories, one after another, from which training cuts its windows.</summary>
internal sealed class TokenStream
{
    private readonly ushort[] _tokens;
    private readonly int[] _stories;

    public TokenStream(ushort[] tokens)
    {
        _tokens = tokens;
        _stories = [.. Enumerable.Range(0, tokens.Length).Where(i => tokens[i] == Mark.Begin)];
    }

    public int Count => _tokens.Length;

    public ReadOnlySpan<ushort> Tokens => _tokens;

    public static TokenStream Read(string path) => File.Exists(path)
        ? new(MemoryMarshal.Cast<byte, ushort>(File.ReadAllBytes(path)).ToArray())
        : throw new FileNotFoundException($"'{path}' is not there: run `prepare` first.");

    public static void Write(string path, ReadOnlySpan<ushort> tokens) => File.WriteAllBytes(path, MemoryMarshal.AsBytes(tokens));

    /// <summary>A window: half of the time from the beginning of a story, else from anywhere.</summary>
    public ReadOnlySpan<ushort> Window(Random random, int length)
    {
        int start = random.Next(2) == 0 ? _stories[random.Next(_stories.Length)] : random.Next(_tokens.Length);
        return _tokens.AsSpan(Math.Min(start, _tokens.Length - length), length);
    }
}
