using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    /// <remarks>
    /// Inputs are read where they lie, and what is added goes straight to the results: with so few products for each value, to arrange
    /// or to store it first would cost more than the products.
    /// </remarks>
    internal override void AddLowRank(Tensor x, Adapter.Part part, ReadOnlySpan<int> rows, Tensor result)
    {
        using ScratchScope scope = Scratch();
        Tensor low = Allocate(rows.Length, part.A.Panels * Adapter.Matrix.Height); // [rows, rank]
        fixed (int* chosen = rows)
        {
            new LowRankJob(part.A, rows.Length, x, chosen, low, null, 1).Share(Pool);
            new LowRankJob(part.B, rows.Length, low, null, result.ColumnRange(part.FirstRow, part.B.Rows), chosen, part.Factor).Share(Pool);
        }
    }

    /// <summary>
    /// Products of a matrix and some rows: an item is a few panels times a tile of rows. They are written, or (where output rows are
    /// given) added times a factor. Each sum goes over the columns in order, fused.
    /// </summary>
    private readonly struct LowRankJob(Adapter.Matrix matrix, int count, Tensor x, int* inputRows, Tensor y, int* outputRows, float factor) : IParallelJob
    {
        private const int Height = Adapter.Matrix.Height, Tile = 4, PanelsOfItem = 16;

        private int Tiles => (count + Tile - 1) / Tile;

        public void Share(WorkerPool pool)
        {
            int items = (matrix.Panels + PanelsOfItem - 1) / PanelsOfItem * Tiles;
            Elementwise.For(pool, items, (long)count * matrix.Columns * matrix.Panels * Height, this);
        }

        public void Run(int start, int end, int worker)
        {
            float* sums = stackalloc float[Tile * Height];
            for (int item = start; item < end; item++)
            {
                // Tiles that follow each other use the same panels, which stay in the first-level cache.
                (int group, int tile) = Math.DivRem(item, Tiles);
                int first = tile * Tile, tokens = Math.Min(Tile, count - first), endPanel = Math.Min((group + 1) * PanelsOfItem, matrix.Panels);
                for (int panel = group * PanelsOfItem; panel < endPanel; panel++)
                {
                    Multiply(matrix.Panel(panel), first, tokens - 1, sums);
                    for (int t = 0; t < tokens; t++)
                        Write(panel, first + t, sums + (t * Height));
                }
            }
        }

        // Of a tile that is not full, the last row stands in for those that are missing; one alone, as in decoding, is summed alone.
        private void Multiply(float* panel, int first, int last, float* sums)
        {
            if (last == 0)
            {
                MultiplyOne(panel, Input(first), sums);
                return;
            }
            float* x0 = Input(first), x1 = Input(first + Math.Min(1, last)), x2 = Input(first + Math.Min(2, last)), x3 = Input(first + last);
            Vector512<float> sum0 = Vector512<float>.Zero, sum1 = sum0, sum2 = sum0, sum3 = sum0;
            for (int column = 0; column < matrix.Columns; column++, panel += Height)
            {
                Vector512<float> weights = Vector512.Load(panel);
                sum0 = Vector512.FusedMultiplyAdd(weights, Vector512.Create(x0[column]), sum0);
                sum1 = Vector512.FusedMultiplyAdd(weights, Vector512.Create(x1[column]), sum1);
                sum2 = Vector512.FusedMultiplyAdd(weights, Vector512.Create(x2[column]), sum2);
                sum3 = Vector512.FusedMultiplyAdd(weights, Vector512.Create(x3[column]), sum3);
            }
            sum0.Store(sums);
            sum1.Store(sums + Height);
            sum2.Store(sums + (2 * Height));
            sum3.Store(sums + (3 * Height));
        }

        private void MultiplyOne(float* panel, float* x, float* sums)
        {
            Vector512<float> sum = Vector512<float>.Zero;
            for (int column = 0; column < matrix.Columns; column++, panel += Height)
                sum = Vector512.FusedMultiplyAdd(Vector512.Load(panel), Vector512.Create(x[column]), sum);
            sum.Store(sums);
        }

        private float* Input(int row) => x.Data + ((long)(inputRows is null ? row : inputRows[row]) * x.Stride);

        private void Write(int panel, int row, float* sums)
        {
            float* to = y.Data + ((long)(outputRows is null ? row : outputRows[row]) * y.Stride) + (panel * Height);
            int width = Math.Min(Height, y.Columns - (panel * Height));
            if (outputRows is null)
            {
                Vector512.Load(sums).Store(to); // the low rank's rows have room for whole panels
            }
            else if (width == Height)
            {
                (Vector512.Load(to) + (Vector512.Load(sums) * factor)).Store(to);
            }
            else
            {
                for (int i = 0; i < width; i++)
                    to[i] += sums[i] * factor;
            }
        }
    }
}
