namespace Sluice.Tensors;

/// <summary>
/// The operations in plain scalar code, on one thread: the definition of each, and the oracle of the fast ones.
/// </summary>
public sealed unsafe partial class ScalarOps : Ops
{
    /// <inheritdoc/>
    public override Tensor Embed(WeightData table, ReadOnlySpan<int> ids)
    {
        Tensor result = Allocate(ids.Length, table.Columns);
        for (int i = 0; i < ids.Length; i++)
            table.Format.Dequantize(table.Row(ids[i]), result[i]);
        return result;
    }

    /// <inheritdoc/>
    public override Tensor Gather(Tensor x, ReadOnlySpan<int> rows)
    {
        Tensor result = Allocate(rows.Length, x.Columns);
        for (int i = 0; i < rows.Length; i++)
            x[rows[i]].CopyTo(result[i]);
        return result;
    }

    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        int width = weight.Columns;
        Require(x.Columns % width == 0, $"A norm of {width} values does not divide rows of {x.Columns}.");
        Tensor result = Allocate(x.Rows, x.Columns);
        for (int row = 0; row < x.Rows; row++)
        {
            for (int start = 0; start < x.Columns; start += width)
            {
                ReadOnlySpan<float> values = x[row].Slice(start, width);
                double sum = 0;
                foreach (float value in values)
                    sum += (double)value * value;
                float scale = 1 / MathF.Sqrt((float)(sum / width) + epsilon);
                for (int i = 0; i < width; i++)
                    result[row][start + i] = values[i] * scale * weight[0][i];
            }
        }
        return result;
    }

    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        Require(x.Columns == weight.Columns, $"A norm of {weight.Columns} values does not fit rows of {x.Columns}.");
        Tensor result = Allocate(x.Rows, x.Columns);
        for (int row = 0; row < x.Rows; row++)
        {
            ReadOnlySpan<float> values = x[row];
            double sum = 0, squares = 0;
            foreach (float value in values)
                sum += value;
            float mean = (float)(sum / values.Length);
            foreach (float value in values)
                squares += (double)(value - mean) * (value - mean);
            float scale = 1 / MathF.Sqrt((float)(squares / values.Length) + epsilon);
            for (int i = 0; i < values.Length; i++)
                result[row][i] = ((values[i] - mean) * scale * weight[0][i]) + (bias.IsEmpty ? 0 : bias[0][i]);
        }
        return result;
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor y)
    {
        Require(x.Columns == y.Columns && (y.Rows == x.Rows || y.Rows == 1), $"[{y.Rows}, {y.Columns}] cannot be added to [{x.Rows}, {x.Columns}].");
        for (int row = 0; row < x.Rows; row++)
        {
            for (int i = 0; i < x.Columns; i++)
                x[row][i] += y[y.Rows == 1 ? 0 : row][i];
        }
    }

    /// <inheritdoc/>
    public override void Scale(Tensor x, float factor)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (ref float value in x[row])
                value *= factor;
        }
    }

    /// <inheritdoc/>
    public override void SoftCap(Tensor x, float cap)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (ref float value in x[row])
                value = cap * MathF.Tanh(value / cap);
        }
    }

    /// <inheritdoc/>
    public override void Activate(Activation activation, Tensor x)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (ref float value in x[row])
                value = Apply(activation, value);
        }
    }

    /// <inheritdoc/>
    public override Tensor Gate(Activation activation, Tensor gate, Tensor up)
    {
        Require(gate.Rows == up.Rows && gate.Columns == up.Columns, "Gate and up differ in shape.");
        Tensor result = Allocate(gate.Rows, gate.Columns);
        for (int row = 0; row < gate.Rows; row++)
        {
            for (int i = 0; i < gate.Columns; i++)
            {
                (float g, float u) = (gate[row][i], up[row][i]);
                if (activation == Activation.OaiSwiGlu)
                {
                    g = Math.Min(g, 7);
                    u = Math.Clamp(u, -7, 7);
                    result[row][i] = g / (1 + MathF.Exp(-1.702f * g)) * (u + 1);
                }
                else
                {
                    result[row][i] = Apply(activation, g) * u;
                }
            }
        }
        return result;
    }

    private static float Apply(Activation activation, float x) => activation switch
    {
        Activation.Silu => x / (1 + MathF.Exp(-x)),
        Activation.Gelu => 0.5f * x * (1 + MathF.Tanh(MathF.Sqrt(2 / MathF.PI) * x * (1 + (0.044715f * x * x)))),
        Activation.Relu => Math.Max(x, 0),
        Activation.ReluSquared => Math.Max(x, 0) * Math.Max(x, 0),
        Activation.Softplus => x > 20 ? x : MathF.Log(1 + MathF.Exp(x)),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "No function of one value."),
    };

    private static void Require(bool condition, string message)
    {
        if (!condition)
            throw new ArgumentException(message);
    }
}
