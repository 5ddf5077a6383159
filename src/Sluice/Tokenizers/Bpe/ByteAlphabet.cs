using System.Runtime.CompilerServices;

namespace Sluice.Tokenizers.Bpe;

/// <summary>
/// The alphabet of byte-level BPE: a symbol a byte. Vocabularies write bytes as printable characters (GPT-2's table): those of
/// Latin-1 that are printable as themselves, the others from U+0100 in order.
/// </summary>
internal sealed class ByteAlphabet : Alphabet
{
    private static readonly char[] Characters = MakeCharacters();
    private static readonly short[] Bytes = MakeBytes();

    private readonly int[] _tokens = new int[256];
    private readonly int _unknown;

    /// <param name="texts">The vocabulary's tokens by their texts.</param>
    /// <param name="unknown">What stands for a byte that has no token, or -1 to leave such bytes out.</param>
    public ByteAlphabet(TokenMap texts, int unknown)
    {
        _unknown = unknown;
        Span<byte> text = stackalloc byte[2];
        for (int b = 0; b < 256; b++)
            _tokens[b] = texts.Find(text[..new System.Text.Rune(Characters[b]).EncodeToUtf8(text)]);
    }

    /// <summary>The bytes that a token's text stands for.</summary>
    /// <param name="text">A token's text in UTF-8.</param>
    /// <param name="bytes">As long as the text; written.</param>
    /// <returns>How many bytes, or -1 if the text has characters that stand for no byte.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Decode(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        int count = 0;
        for (int i = 0; i < text.Length;)
        {
            int c = text[i++];
            if (c >= 0x80)
            {
                // All of the table's characters have at most two bytes.
                if ((c & 0xE0) != 0xC0 || i == text.Length)
                    return -1;
                c = ((c & 0x1F) << 6) | (text[i++] & 0x3F);
            }
            if (c >= Bytes.Length || Bytes[c] < 0)
                return -1;
            bytes[count++] = (byte)Bytes[c];
        }
        return count;
    }

    public override int Split(ReadOnlySpan<byte> word, Span<int> symbols)
    {
        int count = 0;
        foreach (byte b in word)
        {
            int token = _tokens[b] >= 0 ? _tokens[b] : _unknown;
            if (token >= 0)
                symbols[count++] = token;
        }
        return count;
    }

    public override void Emit(int symbol, List<int> output) => output.Add(symbol);

    private static char[] MakeCharacters()
    {
        char[] characters = new char[256];
        char next = '\u0100';
        for (int b = 0; b < 256; b++)
            characters[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : next++;
        return characters;
    }

    private static short[] MakeBytes()
    {
        short[] bytes = new short[0x144];
        bytes.AsSpan().Fill(-1);
        for (int b = 0; b < 256; b++)
            bytes[Characters[b]] = (short)b;
        return bytes;
    }
}
