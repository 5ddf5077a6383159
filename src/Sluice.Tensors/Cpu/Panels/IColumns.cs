namespace Sluice.Tensors.Cpu;

/// <summary>
/// Panels whose weights lie column by column, each column of a matrix in one piece, so that those that meet zeros need not be read.
/// Single columns of a panel would be 8 to 32 bytes, and to read half of such pieces takes the memory as long as to read all: half of
/// pieces of 256 bytes takes 1.2 times as long as everything, of 1 KiB 0.9, of 2 KiB 0.7, of 4 KiB 0.6 (Zen 4, two cores, asked for
/// ahead into the second-level cache).
/// </summary>
internal unsafe interface IColumns
{
    /// <summary>Rows that are taken together: a multiple of a panel's. A column has room for whole blocks.</summary>
    const int BlockRows = 128;

    /// <summary>Panels of a block.</summary>
    const int BlockPanels = BlockRows / Panels.Height;

    /// <summary>Columns whose weights are in the second-level cache at a time, a multiple of <see cref="IntegerPanels.Group"/>.</summary>
    int StepColumns { get; }

    /// <summary>Bytes of a block of a column.</summary>
    int BlockBytes { get; }

    /// <summary>Whether a zero may be left out: not where weights are infinite or NaN.</summary>
    bool CanSkip { get; }

    /// <summary>A block of a column.</summary>
    byte* At(int expert, int block, int column);
}
