using Sluice.Tensors.Formats;

namespace Sluice.Tensors.KvFormats;

/// <summary>
/// How key and value rows are packed in the cache. A tile holds one head's rows of <see cref="BlockSize"/> consecutive slots.
/// A format is one file that derives from this class, and one line in <see cref="KvFormats"/>; attention sees tiles only as
/// float32, keys as [dimension][slot], so that scores of all slots are computed side by side without horizontal sums, and
/// values as [slot][dimension], so that a weighted sum is too.
/// </summary>
public abstract unsafe class KvFormat
{
    /// <summary>The slots of a block, and so of a tile.</summary>
    public const int BlockSize = 32;

    /// <summary>Values of a row that a writer converts at once, on its stack.</summary>
    private protected const int StackRow = 256;

    /// <summary>The name that options use, as in <c>f16</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Bytes of a tile of rows of <paramref name="dimension"/> values, keys or values alike; a multiple of 64.</summary>
    public abstract int TileBytes(int dimension);

    /// <summary>
    /// The numbers of a tile that lies as unpacked ones do, so that products which know them read it in place; of others, the floats
    /// that they are unpacked to.
    /// </summary>
    internal virtual TensorType Cell => TensorType.F32;

    /// <summary>Turns a query to where keys are; nothing unless rows are rotated before they are packed.</summary>
    internal virtual void Rotate(Span<float> row)
    {
    }

    /// <summary>Turns a sum of values back.</summary>
    internal virtual void RotateBack(Span<float> row)
    {
    }

    /// <summary>Packs a key row into a slot of its tile.</summary>
    internal abstract void WriteKey(ReadOnlySpan<float> row, byte* tile, int slot);

    /// <summary>Packs a value row into a slot of its tile.</summary>
    internal abstract void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot);

    /// <summary>Unpacks a key tile to [dimension][BlockSize].</summary>
    /// <returns><paramref name="buffer"/>, or the tile itself where it needs no unpacking.</returns>
    internal abstract float* ReadKeys(byte* tile, int dimension, float* buffer);

    /// <summary>Unpacks the first <paramref name="slots"/> rows of a value tile to [slot][dimension].</summary>
    /// <returns><paramref name="buffer"/>, or the tile itself where it needs no unpacking.</returns>
    internal abstract float* ReadValues(byte* tile, int dimension, int slots, float* buffer);

    /// <summary>Writes the values of a key row to its tile's slot: one column, a value every <see cref="BlockSize"/>.</summary>
    private protected static void ScatterColumn<T>(T* values, int count, T* column)
        where T : unmanaged
    {
        for (int d = 0; d < count; d++)
            column[d * BlockSize] = values[d];
    }
}
