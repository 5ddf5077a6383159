using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>A matrix [rows, columns] (outputs by inputs) whose weights are rounded to a <see cref="Grid"/>.</summary>
public sealed class RoundedMatrix
{
    internal RoundedMatrix(Grid grid, int rows, int columns)
    {
        if (columns % grid.FitSize != 0)
            throw new ArgumentException($"Rows of {columns} weights are no whole number of groups of {grid.FitSize}.", nameof(columns));
        (Grid, Rows, Columns) = (grid, rows, columns);
        Codes = new short[checked(rows * columns)];
        Steps = new Step[rows * (columns / grid.StepSize)];
        Blocks = new byte[checked(rows * (columns / grid.FitSize) * grid.BlockBytes)];
        StepOf = new int[columns];
        for (int i = 0; i < columns; i++)
            StepOf[i] = i / grid.StepSize;
    }

    /// <summary>What the weights were rounded to.</summary>
    public Grid Grid { get; }

    /// <summary>Outputs.</summary>
    public int Rows { get; }

    /// <summary>Inputs.</summary>
    public int Columns { get; }

    /// <summary>The code of each weight [rows, columns].</summary>
    public short[] Codes { get; }

    /// <summary>[rows, columns / StepSize].</summary>
    public Step[] Steps { get; }

    /// <summary>The step of each column: its group, which differs from its place where columns were grouped in another order.</summary>
    public int[] StepOf { get; }

    /// <summary><see cref="StepOf"/> (GPTQ's <c>g_idx</c>), or null where groups are columns side by side.</summary>
    internal int[]? ColumnGroups => StepOf.Index().All(step => step.Item == step.Index / Grid.StepSize) ? null : StepOf;

    internal byte[] Blocks { get; }

    internal int FitsInRow => Columns / Grid.FitSize;

    internal int StepsInRow => Columns / Grid.StepSize;

    /// <summary>A row's values.</summary>
    public void Restore(int row, Span<float> values)
    {
        for (int i = 0; i < Columns; i++)
        {
            ref readonly Step step = ref Steps[row * StepsInRow + StepOf[i]];
            values[i] = step.Scale * Codes[row * Columns + i] + step.Min;
        }
    }

    /// <summary>All values [rows, columns].</summary>
    public float[] Restore()
    {
        float[] values = new float[Codes.Length];
        for (int row = 0; row < Rows; row++)
            Restore(row, values.AsSpan(row * Columns, Columns));
        return values;
    }

    /// <summary>The same matrix as the integers that checkpoints hold, without a loss where the grid has half-precision scales.</summary>
    /// <exception cref="InvalidOperationException">Its weights were rounded to another kind of grid than <see cref="IntegerGrid"/>.</exception>
    public GroupedIntegers ToIntegers()
    {
        IntegerGrid grid = Integers();
        byte[] codes = new byte[Codes.Length], zeros = new byte[Steps.Length];
        float[] scales = new float[Steps.Length];
        CopyIntegers(codes, scales, zeros);
        return new GroupedIntegers(Rows, Columns, grid.Bits, grid.FitSize, codes, scales, zeros, ColumnGroups);
    }

    /// <summary>The parts of <see cref="ToIntegers"/>, written where those of all rows are.</summary>
    /// <param name="codes">[rows, columns].</param>
    /// <param name="scales">[rows, groups].</param>
    /// <param name="zeros">[rows, groups].</param>
    internal void CopyIntegers(Span<byte> codes, Span<float> scales, Span<byte> zeros)
    {
        // All weights of a group without a scale are 0, whatever its zero point; the middle code is one that every reader takes.
        byte middle = (byte)(1 << (Integers().Bits - 1));
        for (int i = 0; i < Steps.Length; i++)
            (scales[i], zeros[i]) = (Steps[i].Scale, Steps[i].Scale == 0 ? middle : (byte)IntegerGrid.ZeroPoint(Steps[i]));
        for (int i = 0; i < Codes.Length; i++)
        {
            int step = i / Columns * StepsInRow + StepOf[i % Columns];
            codes[i] = scales[step] == 0 ? middle : (byte)Codes[i];
        }
    }

    private IntegerGrid Integers() =>
        Grid as IntegerGrid ?? throw new InvalidOperationException("These weights were rounded to the blocks of a format, not to integers.");

    /// <summary>The matrix as a file of the grid's format stores it.</summary>
    public byte[] Encode()
    {
        for (int i = 0; i < Rows * FitsInRow; i++)
            Grid.Store(Blocks.AsSpan(i * Grid.BlockBytes, Grid.BlockBytes), Codes.AsSpan(i * Grid.FitSize, Grid.FitSize));
        return Blocks;
    }

    /// <summary>Fits the scales of a row's fit to values.</summary>
    internal void Fit(int row, int fit, ReadOnlySpan<float> values, ReadOnlySpan<float> importance)
    {
        int steps = Grid.FitSize / Grid.StepSize;
        Grid.Fit(
            values, importance, Steps.AsSpan(row * StepsInRow + fit * steps, steps),
            Blocks.AsSpan((row * FitsInRow + fit) * Grid.BlockBytes, Grid.BlockBytes));
    }

    /// <summary>Gives a weight the nearest value of its step.</summary>
    /// <returns>That value.</returns>
    internal float Round(int row, int column, float value)
    {
        ref readonly Step step = ref Steps[row * StepsInRow + StepOf[column]];
        int code = Grid.Nearest(value, step);
        Codes[row * Columns + column] = (short)code;
        return step.Scale * code + step.Min;
    }
}
