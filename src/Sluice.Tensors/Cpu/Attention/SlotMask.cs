using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Cpu;

/// <summary>Which cache slots the rows of one sequence see: 32 bits a tile, the first slot lowest.</summary>
internal readonly unsafe struct SlotMask
{
    private const int Block = KvFormat.BlockSize;
    private readonly int window, sinkTokens;
    private readonly int* positions; // of the sequence's rows
    private readonly uint* branches; // of a tree: the ancestors of each row in this batch [rows, tiles from Past on]

    /// <summary>Prepares the masks of a sequence.</summary>
    /// <param name="batch">The batch, and in it...</param>
    /// <param name="sequence">...the sequence.</param>
    /// <param name="spec">Window and sinks.</param>
    /// <param name="positions">The positions of the sequence's rows.</param>
    /// <param name="memory"><see cref="TreeWords"/> words.</param>
    public SlotMask(Batch batch, in BatchSequence sequence, in AttentionSpec spec, int* positions, uint* memory)
    {
        (Past, Rows, window, sinkTokens) = (sequence.Past, sequence.Count, spec.Window, spec.SinkTokens);
        this.positions = positions;
        if (sequence.IsChain)
            return;
        branches = memory;
        new Span<uint>(branches, TreeWords(sequence)).Clear();
        int tiles = TreeTiles(Past, Rows);
        for (int row = 0; row < Rows; row++)
        {
            // Ancestors come before their descendants, so the walk ends at the sequence's first row or before.
            for (int other = row; other >= 0; other = Math.Max(-1, batch.Parents[sequence.Start + other] - sequence.Start))
            {
                if (window > 0 && positions[row] - positions[other] >= window && positions[other] >= sinkTokens)
                    continue;
                int slot = Past + other - (Past / Block * Block);
                branches[(row * tiles) + (slot / Block)] |= 1u << (slot % Block);
            }
        }
    }

    /// <summary>The tokens in the cache before this batch.</summary>
    public int Past { get; }

    /// <summary>The rows of this batch.</summary>
    public int Rows { get; }

    /// <summary>The memory that a sequence's masks need.</summary>
    public static int TreeWords(in BatchSequence sequence) =>
        sequence.IsChain ? 0 : checked(sequence.Count * TreeTiles(sequence.Past, sequence.Count));

    /// <summary>The slots of a tile that a row sees.</summary>
    public uint Visible(int row, int tile)
    {
        int first = tile * Block;
        uint seen = Below(branches is null ? Past + row + 1 - first : Past - first);
        if (window > 0)
            seen &= ~Below(positions[row] - window + 1 - first) | Below(sinkTokens - first);
        if (branches is not null && tile >= Past / Block)
            seen |= branches[(row * TreeTiles(Past, Rows)) + tile - (Past / Block)];
        return seen;
    }

    /// <summary>The tiles that some of these rows see, and those that all of them see whole.</summary>
    public TileRange Range(int firstRow, int lastRow)
    {
        int earliest = positions[firstRow], latest = earliest;
        for (int row = firstRow + 1; row <= lastRow; row++)
            (earliest, latest) = (Math.Min(earliest, positions[row]), Math.Max(latest, positions[row]));
        int known = branches is null ? Past + firstRow + 1 : Past; // slots before this hide from none by order
        int left = window > 0 ? Math.Max(0, latest - window + 1) : 0; // slots before this have left somebody's window
        return new TileRange(
            SinkEnd: window > 0 ? (sinkTokens + Block - 1) / Block : 0,
            Start: window > 0 ? Math.Max(0, earliest - window + 1) / Block : 0,
            End: ((Past + lastRow) / Block) + 1,
            WholeStart: (left + Block - 1) / Block,
            WholeEnd: known / Block);
    }

    private static int TreeTiles(int past, int rows) => ((past + rows - 1) / Block) - (past / Block) + 1;

    /// <summary>The lowest <paramref name="count"/> bits.</summary>
    private static uint Below(int count) => count <= 0 ? 0 : count >= Block ? uint.MaxValue : (1u << count) - 1;
}

/// <summary>
/// The tiles that some rows see: 0 to SinkEnd, and Start to End; of those from WholeStart to WholeEnd every row sees every slot.
/// </summary>
internal readonly record struct TileRange(int SinkEnd, int Start, int End, int WholeStart, int WholeEnd)
{
    /// <summary>The first tile to see at or after this one.</summary>
    public int Next(int tile) => tile < SinkEnd ? tile : Math.Max(tile, Start);

    /// <summary>Whether all rows see the whole tile.</summary>
    public bool IsWhole(int tile) => tile >= WholeStart && tile < WholeEnd;
}
