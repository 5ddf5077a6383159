using Sluice.Tokenizers.Bpe;

namespace Sluice.Tokenizers;

/// <summary>How a vocabulary writes the text of its tokens.</summary>
internal enum PieceStyle
{
    /// <summary>As it is, with U+2581 for spaces (SentencePiece).</summary>
    Spaces,

    /// <summary>A printable character for each byte (GPT-2).</summary>
    Bytes,
}

/// <summary>What tokens stand for.</summary>
internal static class PieceBytes
{
    /// <summary>U+2581, which SentencePiece writes for a space.</summary>
    public static ReadOnlySpan<byte> SpaceMark => "▁"u8;

    /// <param name="texts">The tokens as the vocabulary writes them.</param>
    /// <param name="types">What they are.</param>
    /// <param name="style">How they are written.</param>
    /// <param name="bad">Makes the exception for a token that cannot be.</param>
    public static ByteStrings Of(ByteStrings texts, TokenType[] types, PieceStyle style, Func<string, Exception> bad)
    {
        ByteStrings pieces = new(texts.Count);
        byte[] buffer = new byte[texts.Longest];
        for (int id = 0; id < texts.Count; id++)
        {
            ReadOnlySpan<byte> text = texts[id];
            switch (types[id])
            {
                case TokenType.Control or TokenType.Unknown or TokenType.UserDefined:
                    pieces.Add(text);
                    break;
                case TokenType.Byte:
                    int value = TokenTable.ByteOf(text);
                    if (value < 0)
                        throw bad($"token {id} is of type byte, but its text is '{texts.Text(id)}', not <0x..>");
                    pieces.Add([(byte)value]);
                    break;
                case TokenType.Normal when style is PieceStyle.Bytes:
                    int count = ByteAlphabet.Decode(text, buffer);
                    pieces.Add(count < 0 ? text : buffer.AsSpan(0, count));
                    break;
                case TokenType.Normal:
                    pieces.Add(buffer.AsSpan(0, Unescape(text, buffer)));
                    break;
                default:
                    pieces.Add([]);
                    break;
            }
        }
        return pieces;
    }

    private static int Unescape(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        int count = 0;
        while (text.IndexOf(SpaceMark) is var mark && mark >= 0)
        {
            text[..mark].CopyTo(bytes[count..]);
            count += mark;
            bytes[count++] = (byte)' ';
            text = text[(mark + SpaceMark.Length)..];
        }
        text.CopyTo(bytes[count..]);
        return count + text.Length;
    }
}
