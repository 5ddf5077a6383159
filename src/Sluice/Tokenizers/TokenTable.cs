using System.Collections.Frozen;

namespace Sluice.Tokenizers;

/// <summary>The tokens of a tokenizer, whatever its algorithm: what each is and stands for, and which ones are special.</summary>
internal sealed class TokenTable
{
    /// <summary>The tokens as the vocabulary writes them.</summary>
    public required ByteStrings Texts { get; init; }

    /// <summary>The ids by those texts. Special ones are among them.</summary>
    public required TokenMap Map { get; init; }

    /// <summary>The bytes of text that each stands for.</summary>
    public required ByteStrings Pieces { get; init; }

    /// <summary>What each is.</summary>
    public required TokenType[] Types { get; init; }

    /// <summary>Special tokens that take the white space before them along.</summary>
    public IReadOnlySet<int> StripsLeft { get; init; } = FrozenSet<int>.Empty;

    /// <summary>Special tokens that take the white space after them along.</summary>
    public IReadOnlySet<int> StripsRight { get; init; } = FrozenSet<int>.Empty;

    /// <summary>The tokens to put before a text.</summary>
    public int[] Prefix { get; init; } = [];

    /// <summary>The tokens to put after a text.</summary>
    public int[] Suffix { get; init; } = [];

    public int? Bos { get; init; }

    public int? Eos { get; init; }

    public int? Unknown { get; init; }

    public int? Padding { get; init; }

    public IReadOnlySet<int> EndOfGeneration { get; init; } = FrozenSet<int>.Empty;

    /// <summary>Whether encoding puts a space before the text, which decoding takes away again.</summary>
    public bool StripsLeadingSpace { get; init; }

    public int Count => Texts.Count;

    /// <summary>The byte of a token <c>&lt;0x0A&gt;</c>, or -1.</summary>
    public static int ByteOf(ReadOnlySpan<byte> text) =>
        text.Length == 6 && text.StartsWith("<0x"u8) && text[5] == '>'
        && byte.TryParse(text.Slice(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out byte value)
            ? value
            : -1;

    /// <summary>The map of a vocabulary's texts.</summary>
    /// <exception cref="InvalidDataException">Two tokens have the same text.</exception>
    public static TokenMap MapTexts(ByteStrings texts, string key)
    {
        TokenMap map = new(texts);
        for (int id = 0; id < texts.Count; id++)
        {
            if (texts[id].Length > 0 && map.Add(id) is var other && other >= 0)
                throw new InvalidDataException($"{key}: tokens {other} and {id} are both '{texts.Text(id)}'.");
        }
        return map;
    }
}
