namespace Sluice.Tensors.KvFormats;

/// <summary>Writes a sequence's new rows to its cache slots.</summary>
internal static unsafe class KvWriter
{
    /// <summary>Writes the rows of all heads.</summary>
    /// <param name="k">[batch tokens, heads * key dimension].</param>
    /// <param name="v">[batch tokens, heads * value dimension].</param>
    /// <param name="layer">Where to.</param>
    /// <param name="sequence">Which rows, and whose slots.</param>
    public static void Write(Tensor k, Tensor v, KvLayer layer, in BatchSequence sequence)
    {
        for (int head = 0; head < layer.Store.Shape.Heads; head++)
            Write(k, v, layer, sequence, head, 0, sequence.Count);
    }

    /// <summary>Writes one head's rows <paramref name="first"/> to <paramref name="end"/> (exclusive), counted from the sequence's start.</summary>
    public static void Write(Tensor k, Tensor v, KvLayer layer, in BatchSequence sequence, int head, int first, int end)
    {
        (KvStore store, KvShape shape) = (layer.Store, layer.Store.Shape);
        int[] table = sequence.BlockTables[store.Group];
        for (int row = first; row < end; row++)
        {
            (int block, int slot) = Math.DivRem(sequence.Past + row, KvFormat.BlockSize);
            ReadOnlySpan<float> key = k[sequence.Start + row].Slice(head * shape.KeyDimension, shape.KeyDimension);
            ReadOnlySpan<float> value = v[sequence.Start + row].Slice(head * shape.ValueDimension, shape.ValueDimension);
            store.Format.WriteKey(key, store.KeyTile(table[block], layer.Index, head), slot);
            store.Format.WriteValue(value, store.ValueTile(table[block], layer.Index, head), slot);
        }
    }
}
