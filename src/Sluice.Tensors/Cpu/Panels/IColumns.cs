using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Panels whose weights lie column by column, so that those that meet zeros need not be read: in slabs of many rows, of which each holds one
/// column after the other. Single columns of a panel would be 8 to 32 bytes, and to read half of such pieces takes the memory as long as to
/// read all: half of pieces of 256 bytes takes 0.8 of the time of everything, of 512 bytes 0.65, of 4 KiB 0.55 to 0.6 (Zen 4, two cores, asked
/// for a step ahead into the second-level cache, in the order in which they are used).
/// </summary>
internal unsafe interface IColumns
{
    /// <summary>Rows that are taken together: a multiple of a panel's. A column has room for whole blocks.</summary>
    const int BlockRows = 128;

    /// <summary>Panels of a block.</summary>
    const int BlockPanels = BlockRows / Panels.Height;

    /// <summary>
    /// The share of zeros from which columns are faster than panels: at 25 % they are a little slower, at 40 % 1.0 to 1.3 times as fast
    /// (bench/Sluice.Tensors.Benchmarks sparsity).
    /// </summary>
    const float LeastShare = 0.4f;

    /// <summary>Bytes of a slab's column, at most: what two steps of a slab take must leave room in the second-level cache.</summary>
    const int SlabBytes = 4096;

    /// <summary>Blocks of a slab; the last may be shorter.</summary>
    int SlabBlocks { get; }

    /// <summary>Columns whose weights are in the second-level cache at a time, a multiple of <see cref="IntegerPanels.Group"/>.</summary>
    int StepColumns { get; }

    /// <summary>Bytes of a block of a column.</summary>
    int BlockBytes { get; }

    /// <summary>Whether a zero may be left out: not where weights are infinite or NaN.</summary>
    bool CanSkip { get; }

    /// <summary>Bytes from a slab's column to its next one.</summary>
    nint ColumnBytes { get; }

    /// <summary>Asks for panels of some columns: all of the bytes between the first panel's and the last one's.</summary>
    /// <param name="panel">The first panel, counted over all experts; nothing is done where there is none.</param>
    /// <param name="panels">How many, of one block.</param>
    /// <param name="column">The first column.</param>
    /// <param name="columns">How many.</param>
    void Prefetch(int panel, int panels, int column, int columns);

    /// <summary>A block of a column.</summary>
    byte* At(int expert, int block, int column);

    /// <summary>Asks for some bytes, so far apart.</summary>
    static void Prefetch(byte* from, int bytes, nint apart, int count)
    {
        for (byte* end = from + count * apart; from < end && Sse.IsSupported; from += apart)
        {
            for (int at = 0; at < bytes; at += NativeBuffer.Alignment)
                Sse.Prefetch1(from + at);
        }
    }

    /// <summary>Blocks of so many rows.</summary>
    static int Blocks(int rows) => (rows + BlockRows - 1) / BlockRows;

    /// <summary>The blocks of a slab of which so many threads have one each at least.</summary>
    static int ChooseSlab(int rows, int blockBytes, int threads)
    {
        int blocks = Blocks(rows), slabs = Math.Clamp((blocks * blockBytes + SlabBytes - 1) / SlabBytes, Math.Min(threads, blocks), blocks);
        return (blocks + slabs - 1) / slabs;
    }
}
