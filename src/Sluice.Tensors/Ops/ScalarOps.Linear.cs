using Sluice.Tensors.Formats;

namespace Sluice.Tensors;

public sealed unsafe partial class ScalarOps
{
    private static readonly BF16 BFloat16 = new();

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts) => new StoredWeight(parts.ToArray());

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default)
    {
        StoredWeight stored = (StoredWeight)weight;
        Require(x.Columns == stored.Columns, $"{stored.Name} takes {stored.Columns} values; rows have {x.Columns}.");
        Tensor result = Allocate(x.Rows, stored.Rows);
        for (int row = 0; row < x.Rows; row++)
            Multiply(x[row], stored, 0, bias, result[row]);
        return result;
    }

    /// <inheritdoc/>
    internal override void AddLowRank(Tensor x, Adapter.Part part, ReadOnlySpan<int> rows, Tensor result)
    {
        float[] low = new float[part.A.Rows];
        foreach (int row in rows)
        {
            for (int r = 0; r < low.Length; r++)
                low[r] = Dot(part.A, r, x[row]);
            for (int o = 0; o < part.B.Rows; o++)
                result[row][part.FirstRow + o] += Dot(part.B, o, low) * part.Factor;
        }

        static float Dot(Adapter.Matrix matrix, int row, ReadOnlySpan<float> x)
        {
            float sum = 0;
            for (int i = 0; i < x.Length; i++)
                sum = MathF.FusedMultiplyAdd(matrix[row, i], x[i], sum);
            return sum;
        }
    }

    /// <inheritdoc/>
    public override Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default)
    {
        StoredWeight stored = (StoredWeight)weight;
        Require(x.Columns == stored.Columns, $"{stored.Name} takes {stored.Columns} values; rows have {x.Columns}.");
        int pairs = routing.Rows * routing.Used;
        Require(x.Rows == routing.Rows || x.Rows == pairs, $"{x.Rows} rows for {routing.Rows} routed ones with {routing.Used} experts each.");
        Tensor result = Allocate(pairs, stored.Rows);
        for (int pair = 0; pair < pairs; pair++)
        {
            ReadOnlySpan<float> input = x[x.Rows == pairs ? pair : pair / routing.Used];
            Multiply(input, stored, routing.Experts[pair], bias, result[pair]);
        }
        return result;
    }

    /// <inheritdoc/>
    public override Routing Route(Tensor logits, in Router router)
    {
        int experts = logits.Columns, used = router.Used;
        Require(used > 0 && used <= experts, $"{used} of {experts} experts cannot be chosen.");
        Require(experts % router.Groups == 0 && router.GroupsUsed <= router.Groups, $"{experts} experts cannot form {router.Groups} groups.");
        Tensor weights = Allocate(logits.Rows, used);
        int* chosen = (int*)AllocateBytes((long)logits.Rows * used * sizeof(int));
        float[] probabilities = new float[experts], scores = new float[experts];
        for (int row = 0; row < logits.Rows; row++)
        {
            ExpertChoice.Choose(logits[row], router, probabilities, scores, new Span<int>(chosen + (row * used), used), weights[row]);
        }
        return new Routing(chosen, weights);
    }

    /// <inheritdoc/>
    public override Routing RouteToAll(int rows, int experts)
    {
        Tensor weights = Allocate(rows, experts);
        int* chosen = (int*)AllocateBytes((long)rows * experts * sizeof(int));
        for (int row = 0; row < rows; row++)
        {
            weights[row].Fill(1);
            for (int expert = 0; expert < experts; expert++)
                chosen[(row * experts) + expert] = expert;
        }
        return new Routing(chosen, weights);
    }

    /// <inheritdoc/>
    public override Tensor Combine(Tensor y, in Routing routing)
    {
        Tensor result = Allocate(routing.Rows, y.Columns);
        for (int row = 0; row < routing.Rows; row++)
        {
            result[row].Clear();
            for (int j = 0; j < routing.Used; j++)
            {
                ReadOnlySpan<float> part = y[(row * routing.Used) + j];
                float weight = routing.Weights[row][j];
                for (int i = 0; i < part.Length; i++)
                    result[row][i] = MathF.FusedMultiplyAdd(weight, part[i], result[row][i]);
            }
        }
        return result;
    }

    private void Multiply(ReadOnlySpan<float> x, StoredWeight weight, int expert, Tensor bias, Span<float> result)
    {
        int output = 0;
        foreach (WeightData part in weight.Parts)
        {
            float[] input = x.ToArray();
            for (int i = 0; i < input.Length && part.ColumnOrder is { } order; i++)
                input[i] = x[order[i]];
            for (int i = 0; i < input.Length; i++)
                input[i] = Math.Abs(input[i]) < part.Threshold ? 0 : input[i];
            IntegerFormat? format = part.Format.Integer;
            QuantizedRow? quantized = format is null ? null : new QuantizedRow(input, format.ActivationGroup);
            float[] rounded = RoundToBFloat16(input), floats = Round(Activations, input);
            bool hasIntegers = Activations is ActivationPrecision.Auto or ActivationPrecision.Int8;
            bool hasBFloat16s = Activations is ActivationPrecision.Auto or ActivationPrecision.BF16;
            for (int r = 0; r < part.Rows; r++, output++)
            {
                ReadOnlySpan<byte> row = part.Row(r, expert);
                float sum = hasIntegers && quantized is not null ? Dot(format!, row, quantized)
                    : hasBFloat16s && part.Format.Type == TensorType.BF16 ? DotPairs(part.Format, row, rounded)
                    : Dot(part.Format, row, floats);
                result[output] = bias.IsEmpty ? sum : sum + bias[expert][output];
            }
        }
    }

    /// <summary>Plain float weights: products summed in order, fused.</summary>
    private static float Dot(WeightFormat format, ReadOnlySpan<byte> row, ReadOnlySpan<float> x)
    {
        float[] weights = new float[x.Length];
        format.Dequantize(row, weights);
        float sum = 0;
        for (int i = 0; i < weights.Length; i++)
            sum = MathF.FusedMultiplyAdd(weights[i], x[i], sum);
        return sum;
    }

    /// <summary>
    /// BF16 weights: activations are rounded to bfloat16 too, magnitudes below 2^-56 in both count as zero (so that nothing is
    /// ever subnormal), and products are summed in order, fused, but of each pair of columns the odd one first: what AVX-512's
    /// bfloat16 dot product does, found by trying it on a Zen 5 against each order and rounding one could think of.
    /// </summary>
    private static float DotPairs(WeightFormat format, ReadOnlySpan<byte> row, ReadOnlySpan<float> rounded)
    {
        float[] weights = new float[rounded.Length];
        format.Dequantize(row, weights);
        float sum = 0;
        for (int i = 0; i < weights.Length; i += 2)
        {
            if (i + 1 < weights.Length)
                sum = MathF.FusedMultiplyAdd(WithoutTiny(weights[i + 1]), rounded[i + 1], sum);
            sum = MathF.FusedMultiplyAdd(WithoutTiny(weights[i]), rounded[i], sum);
        }
        return sum;
    }

    private static float[] RoundToBFloat16(ReadOnlySpan<float> x)
    {
        byte[] halves = new byte[BFloat16.Bytes(x.Length)];
        float[] rounded = new float[x.Length];
        BFloat16.Quantize(x, halves);
        BFloat16.Dequantize(halves, rounded);
        return Array.ConvertAll(rounded, WithoutTiny);
    }

    /// <summary>Activations that meet floats; <see cref="ActivationPrecision"/> says how they are rounded.</summary>
    private static float[] Round(ActivationPrecision precision, float[] x)
    {
        switch (precision)
        {
            case ActivationPrecision.BF16:
                byte[] halves = new byte[BFloat16.Bytes(x.Length)];
                float[] result = new float[x.Length];
                BFloat16.Quantize(x, halves);
                BFloat16.Dequantize(halves, result);
                return result;
            case ActivationPrecision.Int8:
                return [.. x.Chunk(32).SelectMany(group => ToScale(group, 127, value => MathF.Round(value, MidpointRounding.ToEven) + 0f))];
            case ActivationPrecision.FP8:
                return ToScale(x, Float8.LargestE4M3, value => Float8.FromE4M3(Float8.ToE4M3(value)));
            default:
                return x;
        }
    }

    // Scales the largest magnitude to the largest code, rounds, and scales back; zeros below the normal floats, NaN for what is not finite.
    private static float[] ToScale(float[] x, float largestCode, Func<float, float> round)
    {
        float largest = 0;
        foreach (float value in x)
            largest = float.IsFinite(value) ? Math.Max(largest, Math.Abs(value)) : float.NaN;
        float scale = largest / largestCode;
        if (!float.IsNormal(scale))
            return [.. Enumerable.Repeat(float.IsNaN(scale) ? scale : 0, x.Length)];
        // Integers multiply by the reciprocal, as those that meet integers do.
        float inverse = 1 / scale;
        return Array.ConvertAll(x, value => round(largestCode == 127 ? value * inverse : value / scale) * scale);
    }

    private static float WithoutTiny(float value) => Math.Abs(value) < 1f / (1L << 56) ? 0 : value;

    /// <summary>
    /// Integer weights times activations that are 8-bit integers with a scale for every 32, or 256: exact integer sums of each group of
    /// weights, joined for so many columns by the weights' scales and, after each 32 columns, minimums; and these joined by the
    /// activations' scales.
    /// </summary>
    private static float Dot(IntegerFormat format, ReadOnlySpan<byte> row, QuantizedRow x)
    {
        int size = format.GroupSize, groups = x.Quants.Length / size;
        sbyte[] quants = new sbyte[x.Quants.Length];
        float[] scales = new float[groups], mins = new float[format.HasMin ? groups : 0];
        format.Decompose(row, quants, scales, mins);
        float total = 0;
        bool isWide = x.GroupSize > 32;
        int perScale = x.GroupSize / size, parts = 32 / size; // groups of weights for a scale of the activations, and for 32 columns
        for (int g = 0; g < groups; g += perScale)
        {
            float sum = 0;
            for (int p = g; p < g + perScale; p += parts)
            {
                for (int h = p; h < p + parts; h++)
                {
                    int dot = 0;
                    for (int i = h * size; i < (h + 1) * size; i++)
                        dot += quants[i] * x.Quants[i];
                    sum = h == g && !isWide ? dot * scales[h] : MathF.FusedMultiplyAdd(dot, scales[h], sum);
                }
                for (int h = p; h < p + parts && format.HasMin; h++)
                    sum = MathF.FusedMultiplyAdd(mins[h], x.Sum(h * size, size), sum);
            }
            total = MathF.FusedMultiplyAdd(sum, x.Scales[g / perScale], total);
        }
        return total;
    }

    /// <summary>
    /// Activations as 8-bit integers: every 32, or 256, share a scale, their largest magnitude / 127. A group with an infinity or NaN
    /// gets a scale of NaN, so that what it touches is NaN; one below the normal floats counts as zero.
    /// </summary>
    private sealed class QuantizedRow
    {
        public QuantizedRow(ReadOnlySpan<float> x, int groupSize)
        {
            GroupSize = groupSize;
            Quants = new sbyte[x.Length];
            Scales = new float[x.Length / GroupSize];
            for (int g = 0; g < Scales.Length; g++)
            {
                ReadOnlySpan<float> group = x.Slice(g * GroupSize, GroupSize);
                float largest = 0;
                foreach (float value in group)
                    largest = float.IsFinite(value) ? Math.Max(largest, Math.Abs(value)) : float.NaN;
                float scale = largest / 127;
                if (!float.IsNormal(scale))
                {
                    Scales[g] = float.IsNaN(scale) ? scale : 0;
                    continue;
                }
                Scales[g] = scale;
                float inverse = 1 / scale;
                for (int i = 0; i < GroupSize; i++)
                    Quants[(g * GroupSize) + i] = (sbyte)MathF.Round(group[i] * inverse, MidpointRounding.ToEven);
            }
        }

        public int GroupSize { get; }

        public sbyte[] Quants { get; }

        public float[] Scales { get; }

        public float Sum(int start, int count)
        {
            int sum = 0;
            foreach (sbyte q in Quants.AsSpan(start, count))
                sum += q;
            return sum;
        }
    }

    /// <summary>The stored tensors as they are.</summary>
    private sealed class StoredWeight(WeightData[] parts) : Weight(
        string.Join(" + ", parts.Select(part => part.Name)),
        parts.Sum(part => part.Rows),
        JoinedColumns(parts),
        parts[0].Experts,
        parts.Sum(part => part.RowBytes * part.Rows * part.Experts))
    {
        public WeightData[] Parts => parts;
    }
}
