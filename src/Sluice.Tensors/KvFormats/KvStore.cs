using Sluice.Tensors.Memory;

namespace Sluice.Tensors.KvFormats;

/// <summary>
/// The memory of one cache group: layers of equal row shape and retention, which therefore share block tables. A block holds
/// <see cref="KvFormat.BlockSize"/> slots of all the group's layers: [block][layer][keys of each head, values of each head].
/// </summary>
public sealed unsafe class KvStore : IDisposable
{
    private readonly NativeBuffer _buffer;
    private readonly long _layerBytes;
    private readonly int _keyTileBytes, _valueTileBytes;

    /// <summary>Allocates the blocks.</summary>
    /// <param name="format">How rows are packed.</param>
    /// <param name="group">The index of the group's block table in <see cref="BatchSequence.BlockTables"/>.</param>
    /// <param name="shape">Its layers and their rows.</param>
    /// <param name="blocks">How many blocks there are.</param>
    public KvStore(KvFormat format, int group, KvShape shape, int blocks)
    {
        (Format, Group, Shape, Blocks) = (format, group, shape, blocks);
        _keyTileBytes = format.TileBytes(shape.KeyDimension);
        _valueTileBytes = format.TileBytes(shape.ValueDimension);
        _layerBytes = (long)shape.Heads * (_keyTileBytes + _valueTileBytes);
        _buffer = new NativeBuffer(checked(BlockBytes(format, shape) * blocks));
    }

    /// <summary>How rows are packed.</summary>
    public KvFormat Format { get; }

    /// <summary>The index of the group's block table in <see cref="BatchSequence.BlockTables"/>.</summary>
    public int Group { get; }

    /// <summary>The layers and their rows.</summary>
    public KvShape Shape { get; }

    /// <summary>How many blocks there are.</summary>
    public int Blocks { get; }

    /// <summary>The bytes of one block.</summary>
    public static long BlockBytes(KvFormat format, KvShape shape) => checked(
        (long)shape.Layers * shape.Heads * (format.TileBytes(shape.KeyDimension) + format.TileBytes(shape.ValueDimension)));

    /// <summary>Copies a block (of all layers), for copy on write.</summary>
    public void CopyBlock(int from, int to)
    {
        long bytes = _layerBytes * Shape.Layers;
        Buffer.MemoryCopy(Tile(from, 0), Tile(to, 0), bytes, bytes);
    }

    /// <summary>The bytes of a block (of all layers).</summary>
    public Span<byte> Block(int block) => new(Tile(block, 0), checked((int)(_layerBytes * Shape.Layers)));

    /// <summary>One of the group's layers.</summary>
    public KvLayer Layer(int index) => (uint)index < (uint)Shape.Layers
        ? new KvLayer(this, index)
        : throw new ArgumentOutOfRangeException(nameof(index), index, $"The group has {Shape.Layers} layers.");

    /// <summary>Frees the memory.</summary>
    public void Dispose() => _buffer.Dispose();

    internal byte* KeyTile(int block, int layer, int head) => Tile(block, layer) + (long)head * _keyTileBytes;

    internal byte* ValueTile(int block, int layer, int head) =>
        Tile(block, layer) + (long)Shape.Heads * _keyTileBytes + (long)head * _valueTileBytes;

    private byte* Tile(int block, int layer) => (uint)block < (uint)Blocks
        ? _buffer.Pointer + ((long)block * Shape.Layers + layer) * _layerBytes
        : throw new ArgumentOutOfRangeException(nameof(block), block, $"The store has {Blocks} blocks.");
}

/// <summary>The rows of a cache group: <paramref name="Layers"/> layers with <paramref name="Heads"/> key-value heads each.</summary>
/// <param name="Layers">Layers.</param>
/// <param name="Heads">Key-value heads.</param>
/// <param name="KeyDimension">Values of a head's key row.</param>
/// <param name="ValueDimension">Values of a head's value row.</param>
public readonly record struct KvShape(int Layers, int Heads, int KeyDimension, int ValueDimension);

/// <summary>A layer of a <see cref="KvStore"/>.</summary>
public readonly record struct KvLayer(KvStore Store, int Index);
