namespace Sluice.Tokenizers.Bpe;

/// <summary>
/// The tokens of words seen lately: a fixed number of places, each for the last word that fell on it. A text's words repeat so
/// much that most are found here.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are not kept, nor words of more tokens than <see cref="MaxTokens"/>.</summary>
    public const int MaxBytes = 32;
    public const int MaxTokens = 8;

    private const int Places = 1 << 13;

    private readonly byte[] _words = new byte[Places * MaxBytes];
    private readonly int[] _tokens = new int[Places * MaxTokens];
    private readonly (byte Length, byte Tokens)[] _sizes = new (byte, byte)[Places];

    /// <summary>The tokens of a word, if it is here.</summary>
    public bool TryGet(ReadOnlySpan<byte> word, uint hash, out ReadOnlySpan<int> tokens)
    {
        int place = (int)(hash % Places);
        (int length, int count) = _sizes[place];
        tokens = _tokens.AsSpan(place * MaxTokens, count);
        return length == word.Length && _words.AsSpan(place * MaxBytes, length).SequenceEqual(word);
    }

    /// <summary>Keeps a word's tokens in place of what was there.</summary>
    public void Set(ReadOnlySpan<byte> word, uint hash, ReadOnlySpan<int> tokens)
    {
        int place = (int)(hash % Places);
        word.CopyTo(_words.AsSpan(place * MaxBytes));
        tokens.CopyTo(_tokens.AsSpan(place * MaxTokens));
        _sizes[place] = ((byte)word.Length, (byte)tokens.Length);
    }
}
