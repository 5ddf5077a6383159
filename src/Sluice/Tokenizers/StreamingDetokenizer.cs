using System.Text;

namespace Sluice.Tokenizers;

/// <summary>
/// Turns a stream of tokens into text as it comes, in whole characters: bytes of a character whose rest has not come yet wait for
/// it. All that it returns, one after the other, is what <see cref="Tokenizer.Decode"/> makes of all the tokens.
/// </summary>
public sealed class StreamingDetokenizer
{
    private readonly Tokenizer _tokenizer;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly bool _skipSpecial;
    private readonly IReadOnlySet<int>? _shown;
    private char[] _text = new char[64];
    private bool _stripSpace;

    /// <param name="tokenizer">Whose tokens they are.</param>
    /// <param name="skipSpecial">Whether control and unknown tokens are left out, or written by their names.</param>
    /// <param name="isContinuation">
    /// Whether the tokens continue a text (as a model's do its prompt) rather than begin one: only the leading space of a
    /// beginning, which SentencePiece puts there, is taken away.
    /// </param>
    /// <param name="shown">Control tokens that are written by their names all the same; null: none.</param>
    public StreamingDetokenizer(Tokenizer tokenizer, bool skipSpecial = true, bool isContinuation = false, IReadOnlySet<int>? shown = null)
    {
        (_tokenizer, _skipSpecial, _shown) = (tokenizer, skipSpecial, shown);
        _stripSpace = tokenizer.StripsLeadingSpace && !isContinuation;
    }

    /// <summary>The characters that a token completes; perhaps none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Append(int token) => Next(token) is { Length: > 0 } text ? new(text) : "";

    /// <summary>As <see cref="Append"/>, without a string: valid until the next call.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public ReadOnlySpan<char> Next(int token)
    {
        if (_skipSpecial && _tokenizer.IsSpecial(token) && _shown?.Contains(token) is not true)
            return [];
        ReadOnlySpan<byte> piece = _tokenizer.Piece(token);
        if (_stripSpace && piece.Length > 0)
        {
            _stripSpace = false;
            if (piece[0] == ' ')
                piece = piece[1..];
        }
        return Decode(piece, flush: false);
    }

    /// <summary>At the end of the stream: U+FFFD if a character remained incomplete.</summary>
    public string Flush() => new(Decode([], flush: true));

    private ReadOnlySpan<char> Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        // A waiting character adds at most two; a bad sequence may end in one more.
        if (_text.Length < bytes.Length + 4)
            _text = new char[bytes.Length + 4];
        return _text.AsSpan(0, _decoder.GetChars(bytes, _text, flush));
    }
}
