using System.Runtime.Intrinsics;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Products of dense float32 matrices, for what is computed from calibration inputs (Gram matrices, factorisations): packed panels, a
/// register tile and slabs of the inner dimension that stay in cache, as Goto and van de Geijn (2008) describe.
/// </summary>
public static unsafe class DenseProduct
{
    private const int Depth = 192; // of a slab: a panel of b (24 KB at 512 bits) stays in the first-level cache
    private const int BlockRows = 192; // of a: 144 KB stay in the second-level cache
    private const int BlockColumns = 512;

    /// <summary>c += factor * a * b, on all threads of a pool.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="factor">A factor of the product.</param>
    /// <param name="a">[m, k].</param>
    /// <param name="b">[k, n].</param>
    /// <param name="c">[m, n], row-major; must not overlap a and b.</param>
    /// <param name="stride">Elements from one row of c to the next.</param>
    /// <param name="lowerOnly">Whether only elements at and below the diagonal are wanted; those above are then undefined.</param>
    /// <exception cref="ArgumentException">The shapes do not go together.</exception>
    public static void Add(WorkerPool pool, float factor, MatrixView a, MatrixView b, Span<float> c, int stride, bool lowerOnly = false)
    {
        MatrixView target = new(c, a.Rows, b.Columns, stride);
        if (a.Columns != b.Rows)
            throw new ArgumentException($"[{a.Rows}, {a.Columns}] times [{b.Rows}, {b.Columns}] is no product.", nameof(b));
        if (target.Rows == 0 || target.Columns == 0)
            return;
        if (Vector512.IsHardwareAccelerated)
            Run<Simd512, Vector512<float>>(pool, factor, a, b, c, stride, lowerOnly);
        else if (Vector256.IsHardwareAccelerated)
            Run<Simd256, Vector256<float>>(pool, factor, a, b, c, stride, lowerOnly);
        else
            Run<Simd128, Vector128<float>>(pool, factor, a, b, c, stride, lowerOnly);
    }

    private static void Run<S, V>(WorkerPool pool, float factor, MatrixView a, MatrixView b, Span<float> c, int stride, bool lowerOnly)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        int height = ProductTile<S, V>.Height, width = ProductTile<S, V>.Width;
        int rowPanels = (a.Rows + height - 1) / height, columnPanels = (b.Columns + width - 1) / width;
        int deepest = Math.Min(Depth, a.Columns);
        using NativeBuffer left = new((long)rowPanels * height * deepest * sizeof(float));
        using NativeBuffer right = new((long)columnPanels * width * deepest * sizeof(float));
        float* packedA = (float*)left.Pointer, packedB = (float*)right.Pointer;
        fixed (float* aValues = a.Values, bValues = b.Values, cValues = c)
        {
            for (int k = 0; k < a.Columns; k += Depth)
            {
                int depth = Math.Min(Depth, a.Columns - k);
                pool.For(rowPanels, new PackJob(
                    aValues + (nint)k * a.ColumnStride, a.Rows, a.RowStride, a.ColumnStride, height, depth, factor, packedA));
                pool.For(columnPanels, new PackJob(
                    bValues + (nint)k * b.RowStride, b.Columns, b.ColumnStride, b.RowStride, width, depth, 1, packedB));
                int across = (b.Columns + BlockColumns - 1) / BlockColumns;
                pool.For(across * ((a.Rows + BlockRows - 1) / BlockRows), new TileJob<S, V>(
                    packedA, packedB, depth, cValues, a.Rows, b.Columns, stride, across, lowerOnly), chunkSize: 1);
            }
        }
    }

    /// <summary>Packs panels: [depth, size] each, zeros where the matrix ends.</summary>
    private readonly struct PackJob(float* values, int count, nint step, nint depthStep, int size, int depth, float factor, float* packed)
        : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
            {
                float* to = packed + (nint)panel * size * depth;
                float* from = values + panel * size * step;
                int present = Math.Min(size, count - panel * size);
                // Along whichever direction lies together in memory.
                for (int outer = 0; outer < (step == 1 ? depth : present); outer++)
                {
                    if (step == 1)
                    {
                        for (int i = 0; i < present; i++)
                            to[outer * size + i] = factor * from[outer * depthStep + i];
                    }
                    else
                    {
                        for (int k = 0; k < depth; k++)
                            to[k * size + outer] = factor * from[outer * step + k * depthStep];
                    }
                }
                for (int k = 0; k < depth && present < size; k++)
                    new Span<float>(to + k * size + present, size - present).Clear();
            }
        }
    }

    /// <summary>Multiplies blocks of <see cref="BlockRows"/> by <see cref="BlockColumns"/>.</summary>
    private readonly struct TileJob<S, V>(
        float* packedA, float* packedB, int depth, float* c, int rows, int columns, nint stride, int across, bool lowerOnly) : IParallelJob
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        public void Run(int start, int end, int worker)
        {
            for (int block = start; block < end; block++)
                Block(block / across * BlockRows, block % across * BlockColumns);
        }

        private void Block(int firstRow, int firstColumn)
        {
            int height = ProductTile<S, V>.Height, width = ProductTile<S, V>.Width;
            float* edge = stackalloc float[ProductTile<S, V>.Height * 32];
            int lastRow = Math.Min(rows, firstRow + BlockRows), lastColumn = Math.Min(columns, firstColumn + BlockColumns);
            for (int column = firstColumn; column < lastColumn; column += width)
            {
                float* b = packedB + (nint)column * depth;
                for (int row = firstRow; row < lastRow; row += height)
                {
                    if (lowerOnly && column >= row + height)
                        continue;
                    float* a = packedA + (nint)row * depth;
                    float* target = c + row * stride + column;
                    if (row + height <= rows && column + width <= columns)
                    {
                        ProductTile<S, V>.Add(a, b, depth, target, stride);
                        continue;
                    }
                    new Span<float>(edge, height * width).Clear();
                    ProductTile<S, V>.Add(a, b, depth, edge, width);
                    for (int i = 0; i < Math.Min(height, rows - row); i++)
                    {
                        for (int j = 0; j < Math.Min(width, columns - column); j++)
                            target[i * stride + j] += edge[i * width + j];
                    }
                }
            }
        }
    }
}
