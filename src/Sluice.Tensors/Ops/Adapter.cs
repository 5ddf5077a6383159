using Sluice.Tensors.Memory;

namespace Sluice.Tensors;

/// <summary>
/// A low-rank adapter (LoRA, Hu et al. 2021): what it adds to some linear maps, W x + factor * B (A x), for the rows of a batch whose
/// sequence has it. Models know nothing of it: it is a property of <see cref="Ops.Linear"/>.
/// </summary>
/// <remarks>
/// A and B are small and become float32, whatever the file has. It may be made and added to while the model runs; nothing may run with
/// it any more when it is disposed.
/// </remarks>
/// <param name="name">What it is called.</param>
public sealed class Adapter(string name) : IDisposable
{
    private readonly Dictionary<Weight, Part[]> _parts = [];

    /// <summary>What it is called.</summary>
    public string Name => name;

    /// <summary>The bytes that it takes in memory.</summary>
    public long Bytes { get; private set; }

    /// <summary>The largest rank of its updates.</summary>
    public int Rank { get; private set; }

    /// <summary>Adds the updates of a weight's outputs, all at once.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit the weight, or it has updates already.</exception>
    public void Add(Weight weight, params ReadOnlySpan<LowRank> updates)
    {
        if (_parts.ContainsKey(weight))
            throw new ArgumentException($"{weight.Name} has updates already.", nameof(weight));
        foreach (LowRank update in updates)
        {
            if (weight.Experts != 1 || update.A.Columns != weight.Columns || update.B.Columns != update.A.Rows || update.FirstRow > weight.Rows - update.B.Rows)
                throw new ArgumentException($"{update.A.Name} and {update.B.Name} do not fit {weight.Name}.", nameof(updates));
        }
        Part[] added = new Part[updates.Length];
        _parts.Add(weight, added);
        for (int i = 0; i < added.Length; i++)
        {
            added[i] = new Part(new Matrix(updates[i].A), new Matrix(updates[i].B), updates[i].FirstRow, updates[i].Factor);
            Rank = Math.Max(Rank, added[i].A.Rows);
            Bytes += added[i].A.Bytes + added[i].B.Bytes;
        }
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        foreach (Part? part in _parts.Values.SelectMany(all => all))
        {
            part?.A.Dispose();
            part?.B.Dispose();
        }
        _parts.Clear();
    }

    /// <summary>What it adds to parts of a weight's outputs; null for nothing.</summary>
    internal Part[]? Of(Weight weight) => _parts.GetValueOrDefault(weight);

    /// <summary>Adds Factor * B (A x) to the outputs from a row on.</summary>
    internal sealed record Part(Matrix A, Matrix B, int FirstRow, float Factor);

    /// <summary>Float32 in panels of 16 rows, each [columns][16], so that a vector holds a column of a panel; rows beyond the last are 0.</summary>
    internal sealed unsafe class Matrix : IDisposable
    {
        public const int Height = 16;
        private readonly NativeBuffer _buffer;

        public Matrix(WeightData data)
        {
            (Rows, Columns, Panels) = (data.Rows, data.Columns, (data.Rows + Height - 1) / Height);
            Bytes = checked((long)Panels * Columns * Height * sizeof(float));
            _buffer = new NativeBuffer(Bytes);
            float[] row = new float[Columns];
            for (int r = 0; r < Rows; r++)
            {
                data.Format.Dequantize(data.Row(r), row);
                for (int c = 0; c < Columns; c++)
                    Panel(r / Height)[(c * Height) + (r % Height)] = row[c];
            }
        }

        public int Rows { get; }

        public int Columns { get; }

        public int Panels { get; }

        public long Bytes { get; }

        public float this[int row, int column] => Panel(row / Height)[(column * Height) + (row % Height)];

        public float* Panel(int panel) => (float*)_buffer.Pointer + ((long)panel * Columns * Height);

        public void Dispose() => _buffer.Dispose();
    }
}

/// <summary>An update of some of a weight's outputs.</summary>
/// <param name="FirstRow">The first of these outputs.</param>
/// <param name="A">Maps inputs to the rank [columns of the weight, rank].</param>
/// <param name="B">Maps the rank to outputs [rank, outputs].</param>
/// <param name="Factor">What the product is multiplied by.</param>
public readonly record struct LowRank(int FirstRow, WeightData A, WeightData B, float Factor);
