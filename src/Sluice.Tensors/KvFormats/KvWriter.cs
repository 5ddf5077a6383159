namespace Sluice.Tensors.KvFormats;

/// <summary>Writes a sequence's new rows to its cache slots.</summary>
internal static unsafe class KvWriter
{
    /// <summary>Writes the rows of all heads.</summary>
    /// <param name="k">[batch tokens, heads * key dimension].</param>
    /// <param name="v">[batch tokens, heads * value dimension].</param>
    /// <param name="layer">Where to.</param>
    /// <param name="sequence">Which rows, and whose slots.</param>
    public static void Write(Tensor k, Tensor v, KvLayer layer, BatchSequence sequence)
    {
        for (int row = 0; row < sequence.Count; row++)
            WriteRow(k, v, layer, sequence, row);
    }

    /// <summary>Writes one row of the sequence, counted from its start.</summary>
    public static void WriteRow(Tensor k, Tensor v, KvLayer layer, BatchSequence sequence, int row)
    {
        (KvStore store, KvShape shape) = (layer.Store, layer.Store.Shape);
        (int block, int slot) = Math.DivRem(sequence.Past + row, KvFormat.BlockSize);
        int stored = sequence.BlockTables[store.Group][block];
        for (int head = 0; head < shape.Heads; head++)
        {
            ReadOnlySpan<float> key = k[sequence.Start + row].Slice(head * shape.KeyDimension, shape.KeyDimension);
            ReadOnlySpan<float> value = v[sequence.Start + row].Slice(head * shape.ValueDimension, shape.ValueDimension);
            store.Format.WriteKey(key, store.KeyTile(stored, layer.Index, head), slot);
            store.Format.WriteValue(value, store.ValueTile(stored, layer.Index, head), slot);
        }
    }
}
