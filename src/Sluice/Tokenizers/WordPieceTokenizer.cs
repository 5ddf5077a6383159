using System.Text;

namespace Sluice.Tokenizers;

/// <summary>
/// WordPiece (Wu et al. 2016, arXiv:1609.08144): of each word the longest token that it begins with, then of the rest, and so on.
/// The vocabulary writes tokens that begin a word with U+2581 in front, as GGUF does.
/// </summary>
internal sealed class WordPieceTokenizer(TokenTable table, BertNormalizer normalizer, int maxWordCharacters = int.MaxValue)
    : Tokenizer(table)
{
    private protected override void EncodePart(ReadOnlySpan<byte> text, bool isStart, List<int> output) =>
        normalizer.ForEachWord(text, word => EncodeWord(word, output));

    private void EncodeWord(List<Rune> characters, List<int> output)
    {
        int start = output.Count;
        if (characters.Count <= maxWordCharacters && TryEncode(characters, output))
            return;
        output.RemoveRange(start, output.Count - start);
        if (Table.Unknown is { } unknown)
            output.Add(unknown);
    }

    private bool TryEncode(List<Rune> characters, List<int> output)
    {
        byte[] buffer = new byte[PieceBytes.SpaceMark.Length + (characters.Count * 4)];
        PieceBytes.SpaceMark.CopyTo(buffer);
        int length = PieceBytes.SpaceMark.Length;
        foreach (Rune character in characters)
            length += character.EncodeToUtf8(buffer.AsSpan(length));
        ReadOnlySpan<byte> word = buffer.AsSpan(0, length);
        while (word.Length > 0)
        {
            int token = -1;
            int end = Math.Min(word.Length, Table.Map.Longest);
            while (end > 0 && (token = Table.Map.Find(word[..end])) < 0)
                end--;
            if (token < 0)
                return false;
            output.Add(token);
            word = word[end..];
        }
        return true;
    }
}
