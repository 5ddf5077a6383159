using System.Buffers;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers;

/// <summary>
/// SentencePiece's unigram model (Kudo 2018, arXiv:1804.10959): of all ways to write a text in tokens, the one whose scores (log
/// probabilities) have the largest sum, by Viterbi's algorithm.
/// </summary>
internal sealed class UnigramTokenizer : Tokenizer
{
    // What a character of no token costs, below the worst token (SentencePiece's kUnkPenalty).
    private const float UnknownPenalty = 10;

    private readonly float[] _scores;
    private readonly double _unknownScore;
    private readonly PrefixTable _tokens;
    private readonly PrecompiledCharsMap? _charsMap;
    private readonly bool _addSpace;
    private readonly bool _mergeSpaces;

    /// <param name="table">The tokens; the unknown token must be there.</param>
    /// <param name="scores">Their scores.</param>
    /// <param name="charsMap">How texts are normalized.</param>
    /// <param name="addSpace">Whether a space is put before a text.</param>
    /// <param name="mergeSpaces">Whether several spaces become one, and those at the end none.</param>
    public UnigramTokenizer(TokenTable table, float[] scores, PrecompiledCharsMap? charsMap, bool addSpace, bool mergeSpaces)
        : base(table)
    {
        (_scores, _charsMap, _addSpace, _mergeSpaces) = (scores, charsMap, addSpace, mergeSpaces);
        float worst = float.MaxValue;
        for (int id = 0; id < table.Count; id++)
        {
            if (table.Types[id] is TokenType.Normal)
                worst = Math.Min(worst, scores[id]);
        }
        _unknownScore = worst - UnknownPenalty;
        _tokens = new(table.Texts, Enumerable.Range(0, table.Count)
            .Where(id => table.Types[id] is TokenType.Normal or TokenType.UserDefined or TokenType.Unused));
    }

    private protected override void EncodePart(ReadOnlySpan<byte> text, bool isStart, List<int> output)
    {
        ArrayBufferWriter<byte> normalized = new(text.Length * 2);
        Normalize(text, normalized);
        text = normalized.WrittenSpan;
        if (text.Length == 0)
            return;

        // best[i]: the best way to write the first i bytes: its score, its last token, and where that begins.
        (double Score, int Token, int Start)[] best = new (double, int, int)[text.Length + 1];
        best.AsSpan(1).Fill((double.NegativeInfinity, Table.Unknown!.Value, 0));
        for (int start = 0; start < text.Length;)
        {
            Utf8Char.CodePointAt(text, start, out int length);
            double score = best[start].Score;
            bool isCovered = false;
            PrefixTable.Walk walk = _tokens.Begin(text[start..]);
            while (walk.Next(out int token))
            {
                int end = start + Table.Texts[token].Length;
                isCovered |= end == start + length;
                Offer(ref best[end], score + (Table.Types[token] is TokenType.UserDefined ? 0 : _scores[token]), token, start);
            }
            if (!isCovered)
                Offer(ref best[start + length], score + _unknownScore, Table.Unknown.Value, start);
            start += length;
        }

        int first = output.Count;
        bool wasUnknown = false;
        for (int end = text.Length; end > 0; end = best[end].Start)
        {
            // Several unknown characters are one unknown token.
            bool isUnknown = best[end].Token == Table.Unknown;
            if (!(isUnknown && wasUnknown))
                output.Add(best[end].Token);
            wasUnknown = isUnknown;
        }
        output.Reverse(first, output.Count - first);
    }

    private static void Offer(ref (double Score, int Token, int Start) best, double score, int token, int start)
    {
        if (score > best.Score)
            best = (score, token, start);
    }

    private void Normalize(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> output)
    {
        bool isPrefixed = false;
        bool isInWord = false;
        while (text.Length > 0)
        {
            int consumed = 0;
            ReadOnlySpan<byte> replacement = default;
            if (_charsMap is null || !_charsMap.TryReplace(text, out consumed, out replacement))
            {
                Utf8Char.CodePointAt(text, 0, out consumed);
                replacement = text[..consumed];
            }
            foreach (byte b in replacement)
            {
                if (b == ' ')
                {
                    isInWord = false;
                    if (!_mergeSpaces)
                        output.Write(PieceBytes.SpaceMark);
                    continue;
                }
                if (!isInWord)
                {
                    isInWord = true;
                    if ((_addSpace && !isPrefixed) || _mergeSpaces)
                    {
                        output.Write(PieceBytes.SpaceMark);
                        isPrefixed = true;
                    }
                }
                output.Write([b]);
            }
            text = text[consumed..];
        }
    }
}
