using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.Bpe;

/// <summary>
/// The alphabet of SentencePiece's BPE: a symbol a character. Characters that are no token themselves, but parts of some, have
/// symbols beyond the vocabulary; what is left of them after merging is written as its bytes (byte fallback), or as the unknown
/// token.
/// </summary>
internal sealed class CharAlphabet : Alphabet
{
    private readonly int _vocabularySize;
    private readonly int _unknown;
    private readonly int[] _byteTokens = new int[256];
    private readonly int[] _ascii = new int[128];
    private readonly Dictionary<int, int> _symbols = [];
    private readonly List<int> _beyond = []; // code points of the symbols beyond the vocabulary

    /// <param name="tokens">The vocabulary's tokens by their texts, <c>&lt;0x0A&gt;</c> and so on among them.</param>
    /// <param name="vocabularySize">The first symbol beyond.</param>
    /// <param name="unknown">The unknown token, or -1.</param>
    /// <param name="byteFallback">Whether bytes have tokens of their own.</param>
    public CharAlphabet(TokenMap tokens, int vocabularySize, int unknown, bool byteFallback = true)
    {
        (_vocabularySize, _unknown) = (vocabularySize, unknown);
        _ascii.AsSpan().Fill(-1);
        Span<byte> text = stackalloc byte[6];
        for (int b = 0; b < 256; b++)
        {
            System.Text.Encoding.ASCII.GetBytes($"<0x{b:X2}>", text);
            _byteTokens[b] = byteFallback ? tokens.Find(text) : -1;
            if (_byteTokens[b] < 0 && byteFallback && b < 128)
                _byteTokens[b] = tokens.Find([(byte)b]);
        }
    }

    /// <summary>Gives a character the symbol that it is as a token, or one beyond the vocabulary if that is -1.</summary>
    public int Add(int codePoint, int token)
    {
        int symbol = Symbol(codePoint);
        if (symbol >= 0)
            return symbol;
        symbol = token;
        if (symbol < 0)
        {
            symbol = _vocabularySize + _beyond.Count;
            _beyond.Add(codePoint);
        }
        if (codePoint < 128)
            _ascii[codePoint] = symbol;
        else
            _symbols.Add(codePoint, symbol);
        return symbol;
    }

    public override int Split(ReadOnlySpan<byte> word, Span<int> symbols)
    {
        int count = 0;
        for (int i = 0; i < word.Length;)
        {
            int codePoint = Utf8Char.CodePointAt(word, i, out int length);
            int symbol = Symbol(codePoint);
            // A character of no token is its own negative: it merges with nothing.
            symbols[count++] = symbol >= 0 ? symbol : -1 - codePoint;
            i += length;
        }
        return count;
    }

    public override void Emit(int symbol, List<int> output)
    {
        if (symbol >= 0 && symbol < _vocabularySize)
        {
            output.Add(symbol);
            return;
        }
        Span<byte> bytes = stackalloc byte[4];
        int codePoint = symbol < 0 ? -1 - symbol : _beyond[symbol - _vocabularySize];
        bytes = bytes[..new System.Text.Rune(codePoint).EncodeToUtf8(bytes)];
        foreach (byte b in bytes)
        {
            if (_byteTokens[b] < 0)
            {
                if (_unknown >= 0)
                    output.Add(_unknown);
                return;
            }
        }
        foreach (byte b in bytes)
            output.Add(_byteTokens[b]);
    }

    private int Symbol(int codePoint) =>
        codePoint < 128 ? _ascii[codePoint] : _symbols.TryGetValue(codePoint, out int symbol) ? symbol : -1;
}
