using System.Buffers;
using System.Text;
using Sluice.Tokenizers.Bpe;
using Sluice.Tokenizers.PreTokenizers;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers;

/// <summary>Whether the parts of a text between special tokens get a space in front.</summary>
internal enum SpacePrefix
{
    Never,

    /// <summary>Each part.</summary>
    Always,

    /// <summary>Each part that does not begin with one.</summary>
    UnlessPresent,

    /// <summary>The beginning of the text, if it does not begin with one.</summary>
    StartUnlessPresent,
}

/// <summary>
/// SentencePiece's BPE (Kudo and Richardson 2018, arXiv:1808.06226): spaces are written U+2581, characters are merged, and what
/// has no token is written as its bytes.
/// </summary>
/// <remarks>
/// SentencePiece merges the two neighbours whose union is the token of best score; as merges of pairs, that is every split of
/// every token in two, ranked by the token's score. So both kinds of vocabularies, of scores and of merges, run the same code.
/// </remarks>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private readonly BpeModel _model;
    private readonly SpacePrefix _prefix;
    private readonly PreTokenizer[] _stages;

    private SentencePieceTokenizer(TokenTable table, BpeModel model, SpacePrefix prefix, PreTokenizer[] stages)
        : base(table) => (_model, _prefix, _stages) = (model, prefix, stages);

    /// <summary>The tokenizer of a vocabulary with scores.</summary>
    public static SentencePieceTokenizer FromScores(TokenTable table, float[] scores, Vocabulary vocabulary, SpacePrefix prefix)
    {
        TokenMap mergeable = Mergeable(table);
        CharAlphabet alphabet = Alphabet(table, byteFallback: true);
        MergeTable merges = new(table.Count);
        for (int id = 0; id < table.Count; id++)
        {
            ReadOnlySpan<byte> text = table.Texts[id];
            if (mergeable.Find(text) != id)
                continue;
            Utf8Char.CodePointAt(text, 0, out int first);
            for (int split = first; split < text.Length;)
            {
                int left = Symbol(text[..split]);
                int right = Symbol(text[split..]);
                if (left >= 0 && right >= 0)
                    merges.Add(left, right, RankOf(scores[id]), id);
                Utf8Char.CodePointAt(text, split, out int length);
                split += length;
            }
        }
        return new(table, new(alphabet, merges), prefix, Words(table, mergeable));

        int Symbol(ReadOnlySpan<byte> text)
        {
            int token = mergeable.Find(text);
            int codePoint = Utf8Char.CodePointAt(text, 0, out int length);
            return length == text.Length ? alphabet.Add(codePoint, token) : token;
        }
    }

    /// <summary>The tokenizer of a vocabulary with merges.</summary>
    /// <param name="table">The tokens.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="prefix">Where spaces are put.</param>
    /// <param name="byteFallback">Whether what has no token is written as its bytes.</param>
    /// <param name="stages">How a text is cut once its spaces are U+2581; null if it is one word.</param>
    public static SentencePieceTokenizer FromMerges(
        TokenTable table, MergeTable merges, SpacePrefix prefix, bool byteFallback, PreTokenizer[]? stages)
    {
        TokenMap mergeable = Mergeable(table);
        return new(table, new(Alphabet(table, byteFallback), merges), prefix, stages ?? Words(table, mergeable));
    }

    private protected override void EncodePart(ReadOnlySpan<byte> text, bool isStart, List<int> output)
    {
        ReadOnlySpan<byte> mark = PieceBytes.SpaceMark;
        bool hasSpace = text[0] == ' ' || text.StartsWith(mark);
        bool addSpace = _prefix switch
        {
            SpacePrefix.Always => true,
            SpacePrefix.UnlessPresent => !hasSpace,
            SpacePrefix.StartUnlessPresent => isStart && !hasSpace,
            _ => false,
        };
        byte[] buffer = ArrayPool<byte>.Shared.Rent(checked((text.Length + 1) * mark.Length));
        int length = 0;
        if (addSpace)
            Append(mark, buffer, ref length);
        while (text.IndexOf((byte)' ') is var space && space >= 0)
        {
            Append(text[..space], buffer, ref length);
            Append(mark, buffer, ref length);
            text = text[(space + 1)..];
        }
        Append(text, buffer, ref length);

        BpeModel.Session session = _model.Rent();
        Pieces pieces = new(buffer.AsSpan(0, length), _stages);
        while (pieces.Next(out ReadOnlySpan<byte> word))
            session.Encode(word, output);
        _model.Return(session);
        ArrayPool<byte>.Shared.Return(buffer);

        static void Append(ReadOnlySpan<byte> bytes, byte[] buffer, ref int length)
        {
            bytes.CopyTo(buffer.AsSpan(length));
            length += bytes.Length;
        }
    }

    // The tokens that merging can make: not control tokens, which no text may make, nor bytes, which are written otherwise.
    private static TokenMap Mergeable(TokenTable table)
    {
        TokenMap map = new(table.Texts);
        for (int id = 0; id < table.Count; id++)
        {
            bool isText = table.Types[id] is TokenType.Normal or TokenType.UserDefined or TokenType.Unused;
            if (isText && table.Texts[id].Length > 0 && System.Text.Unicode.Utf8.IsValid(table.Texts[id]))
                map.Add(id);
        }
        return map;
    }

    private static CharAlphabet Alphabet(TokenTable table, bool byteFallback)
    {
        CharAlphabet alphabet = new(table.Map, table.Count, table.Unknown ?? -1, byteFallback);
        for (int id = 0; id < table.Count; id++)
        {
            bool isText = table.Types[id] is TokenType.Normal or TokenType.UserDefined or TokenType.Unused;
            if (isText && Rune.DecodeFromUtf8(table.Texts[id], out Rune rune, out int length) is OperationStatus.Done
                && length == table.Texts[id].Length)
            {
                alphabet.Add(rune.Value, id);
            }
        }
        return alphabet;
    }

    // A better score is a lower rank; equal scores are equal ranks. Floats sort as integers do once negative ones are inverted.
    private static uint RankOf(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return ~((bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000);
    }

    // If no token goes over the beginning of a word, no merge does, and words can be merged (and cached) each on its own.
    private static PreTokenizer[] Words(TokenTable table, TokenMap mergeable)
    {
        ReadOnlySpan<byte> mark = PieceBytes.SpaceMark;
        for (int id = 0; id < table.Count; id++)
        {
            ReadOnlySpan<byte> text = table.Texts[id];
            while (text.StartsWith(mark))
                text = text[mark.Length..];
            if (text.IndexOf(mark) >= 0 && mergeable.Find(table.Texts[id]) == id)
                return [];
        }
        return [new SpaceMarkedWords()];
    }
}
