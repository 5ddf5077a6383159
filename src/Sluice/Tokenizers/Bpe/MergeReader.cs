using System.Runtime.CompilerServices;
using System.Text;

namespace Sluice.Tokenizers.Bpe;

/// <summary>Reads merges, as vocabularies write them: the texts of two tokens, first those that merge first.</summary>
/// <param name="map">The tokens by their texts.</param>
/// <param name="capacity">How many merges there will be.</param>
/// <param name="bad">Makes the exception for a merge that cannot be.</param>
internal sealed class MergeReader(TokenMap map, int capacity, Func<string, Exception> bad)
{
    private byte[] _both = new byte[64];
    private int _count;

    /// <summary>The merges so far.</summary>
    public MergeTable Table { get; } = new(capacity);

    /// <summary>Merges written with a space between the two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static MergeTable Read(ByteStrings merges, TokenMap map, Func<string, Exception> bad)
    {
        MergeReader reader = new(map, merges.Count, bad);
        for (int i = 0; i < merges.Count; i++)
            reader.Add(merges[i]);
        return reader.Table;
    }

    /// <summary>The next merge, written with a space between the two.</summary>
    public void Add(ReadOnlySpan<byte> merge)
    {
        int space = merge.Length < 3 ? -1 : merge[1..].IndexOf((byte)' ') + 1;
        if (space <= 0 || space == merge.Length - 1)
            throw bad($"merge {_count}, '{Encoding.UTF8.GetString(merge)}', is not two tokens with a space between");
        Add(merge[..space], merge[(space + 1)..]);
    }

    /// <summary>The next merge.</summary>
    public void Add(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        int length = left.Length + right.Length;
        if (length > _both.Length)
            _both = new byte[length * 2];
        left.CopyTo(_both);
        right.CopyTo(_both.AsSpan(left.Length));
        Table.Add(Find(left), Find(right), (uint)_count, Find(_both.AsSpan(0, length)));
        _count++;
    }

    private int Find(ReadOnlySpan<byte> text) => map.Find(text) is var id && id >= 0
        ? id
        : throw bad($"merge {_count} needs the token '{Encoding.UTF8.GetString(text)}', which is missing");
}
