namespace Sluice.Tensors.Cpu;

// Norms, element-wise functions and rotations. Each result is of one row alone, so rows are shared among the threads.
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        if (x.Columns % weight.Columns != 0)
            throw new ArgumentException($"A norm of {weight.Columns} values does not divide rows of {x.Columns}.");
        Tensor result = Allocate(x.Rows, x.Columns);
        Elementwise.For(Pool, x.Rows, (long)x.Rows * x.Columns, new RmsNormJob(x, weight, epsilon, result));
        return result;
    }

    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        if (x.Columns != weight.Columns || (!bias.IsEmpty && x.Columns != bias.Columns))
            throw new ArgumentException($"A norm of {weight.Columns} and {bias.Columns} values does not fit rows of {x.Columns}.");
        Tensor result = Allocate(x.Rows, x.Columns);
        Elementwise.For(Pool, x.Rows, (long)x.Rows * x.Columns, new LayerNormJob(x, weight, bias, epsilon, result));
        return result;
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor y)
    {
        if (x.Columns != y.Columns || (y.Rows != x.Rows && y.Rows != 1))
            throw new ArgumentException($"[{y.Rows}, {y.Columns}] cannot be added to [{x.Rows}, {x.Columns}].");
        Elementwise.Map(Pool, default(Functions.Plus), x, y, x);
    }

    /// <inheritdoc/>
    public override void Scale(Tensor x, float factor) => Elementwise.Map(Pool, new Functions.Times(factor), x, x, x);

    /// <inheritdoc/>
    public override void SoftCap(Tensor x, float cap) => Elementwise.Map(Pool, new Functions.SoftCap(cap), x, x, x);

    /// <inheritdoc/>
    public override void Activate(Activation activation, Tensor x)
    {
        switch (activation)
        {
            case Activation.Silu:
                Elementwise.Map(Pool, default(Functions.Silu), x, x, x);
                break;
            case Activation.Gelu:
                Elementwise.Map(Pool, default(Functions.Gelu), x, x, x);
                break;
            case Activation.Relu:
                Elementwise.Map(Pool, default(Functions.Relu), x, x, x);
                break;
            case Activation.ReluSquared:
                Elementwise.Map(Pool, default(Functions.ReluSquared), x, x, x);
                break;
            case Activation.Softplus:
                Elementwise.Map(Pool, default(Functions.Softplus), x, x, x);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "No function of one value.");
        }
    }

    /// <inheritdoc/>
    public override Tensor Gate(Activation activation, Tensor gate, Tensor up)
    {
        if (gate.Rows != up.Rows || gate.Columns != up.Columns)
            throw new ArgumentException($"A gate of [{gate.Rows}, {gate.Columns}] does not fit [{up.Rows}, {up.Columns}].");
        Tensor result = Allocate(gate.Rows, gate.Columns);
        Elementwise.MapRows(Pool, new Functions.Gating(activation), gate, up, result);
        return result;
    }

    /// <inheritdoc/>
    public override Tensor RopeAngles(ReadOnlySpan<int> positions, Tensor frequencies, float magnitude)
    {
        int pairs = frequencies.Columns;
        Tensor result = Allocate(positions.Length, 2 * pairs);
        fixed (int* first = positions)
            Elementwise.For(Pool, positions.Length, 64L * positions.Length * pairs, new AnglesJob(first, frequencies, magnitude, result));
        return result;
    }

    /// <inheritdoc/>
    public override void Rope(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int start = 0)
    {
        int pairs = angles.Columns / 2;
        if (x.Columns % headDimension != 0 || start < 0 || start + (2 * pairs) > headDimension || angles.Rows != x.Rows)
            throw new ArgumentException(
                $"{angles.Rows} rows of {pairs} pairs from {start} do not fit {x.Rows} rows of heads of {headDimension}.");
        Elementwise.For(Pool, x.Rows, (long)x.Rows * x.Columns, new RopeJob(x, angles, headDimension, pairing, start));
    }

    private readonly struct RmsNormJob(Tensor x, Tensor weight, float epsilon, Tensor result) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int row = start; row < end; row++)
            {
                for (int column = 0; column < x.Columns; column += weight.Columns)
                {
                    float* from = x.Data + ((long)row * x.Stride) + column, to = result.Data + ((long)row * result.Stride) + column;
                    Norms.RootMeanSquare(from, weight.Data, epsilon, to, weight.Columns);
                }
            }
        }
    }

    private readonly struct LayerNormJob(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor result) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int row = start; row < end; row++)
            {
                float* from = x.Data + ((long)row * x.Stride), to = result.Data + ((long)row * result.Stride);
                Norms.Layer(from, weight.Data, bias.Data, epsilon, to, x.Columns);
            }
        }
    }

    private readonly struct AnglesJob(int* positions, Tensor frequencies, float magnitude, Tensor result) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            int pairs = frequencies.Columns;
            for (int row = start; row < end; row++)
            {
                float* cosines = result.Data + ((long)row * result.Stride), sines = cosines + pairs;
                for (int i = 0; i < pairs; i++)
                {
                    float angle = positions[row] * frequencies.Data[i];
                    cosines[i] = MathF.Cos(angle) * magnitude;
                    sines[i] = MathF.Sin(angle) * magnitude;
                }
            }
        }
    }

    private readonly struct RopeJob(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int first) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            int pairs = angles.Columns / 2;
            for (int row = start; row < end; row++)
            {
                float* values = x.Data + ((long)row * x.Stride) + first;
                float* cosines = angles.Data + ((long)row * angles.Stride), sines = cosines + pairs;
                for (int head = 0; head < x.Columns; head += headDimension)
                {
                    if (pairing == RopePairing.Adjacent)
                        Rotations.Adjacent(values + head, cosines, sines, pairs);
                    else
                        Rotations.Halves(values + head, cosines, sines, pairs);
                }
            }
        }
    }
}
