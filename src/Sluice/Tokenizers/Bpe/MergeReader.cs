using System.Text;

namespace Sluice.Tokenizers.Bpe;

/// <summary>Reads merges, as vocabularies write them: the texts of two tokens with a space between, first those that merge first.</summary>
internal static class MergeReader
{
    /// <param name="merges">The merges in order.</param>
    /// <param name="map">The tokens by their texts.</param>
    /// <param name="bad">Makes the exception for a merge that cannot be.</param>
    public static MergeTable Read(ByteStrings merges, TokenMap map, Func<string, Exception> bad)
    {
        MergeTable table = new(merges.Count);
        byte[] both = new byte[merges.Longest];
        for (int i = 0; i < merges.Count; i++)
        {
            ReadOnlySpan<byte> merge = merges[i];
            int space = merge.Length < 3 ? -1 : merge[1..].IndexOf((byte)' ') + 1;
            if (space <= 0 || space == merge.Length - 1)
                throw bad($"merge {i}, '{merges.Text(i)}', is not two tokens with a space between");
            ReadOnlySpan<byte> left = merge[..space];
            ReadOnlySpan<byte> right = merge[(space + 1)..];
            left.CopyTo(both);
            right.CopyTo(both.AsSpan(space));
            table.Add(Find(left, i), Find(right, i), (uint)i, Find(both.AsSpan(0, merge.Length - 1), i));
        }
        return table;

        int Find(ReadOnlySpan<byte> text, int merge) => map.Find(text) is var id && id >= 0
            ? id
            : throw bad($"merge {merge}, '{merges.Text(merge)}', needs the token '{Encoding.UTF8.GetString(text)}', which is missing");
    }
}
