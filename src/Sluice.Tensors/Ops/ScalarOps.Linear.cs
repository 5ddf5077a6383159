using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors;

public sealed unsafe partial class ScalarOps
{
    private static readonly BF16 BFloat16 = new();

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts) => new StoredWeight(parts.ToArray());

    /// <inheritdoc/>
    public override void Unload(Weight weight)
    {
        // Its bytes are the caller's.
    }

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
            if (part.RotatesInputs)
                Hadamard.Rotate(input);
            for (int i = 0; i < input.Length && part.ColumnOrder is { } order; i++)
                input[i] = x[order[expert * input.Length + i]];
            for (int i = 0; i < input.Length; i++)
                input[i] = Math.Abs(input[i]) < part.Threshold ? 0 : input[i];
            float range = Activations.IsStatic() ? part.InputRange : 0;
            for (int i = 0; i < input.Length && range > 0; i++)
                input[i] = Math.Clamp(input[i], -range, range);
            Product product = Products.Of(part.Format, Activations);
            ActivationPrecision precision = Activations.Dynamic();
            QuantizedRow? quantized = product == Product.Int8 ? new QuantizedRow(input, part.Format.Integer!.ActivationGroup, precision, range) : null;
            (float[] floats, float tokenScale) = Round(precision, input, range);
            float[] rounded = product == Product.BFloat16 ? RoundToBFloat16(floats) : floats;
            for (int r = 0; r < part.Rows; r++, output++)
            {
                ReadOnlySpan<byte> row = part.Row(r, expert);
                float sum = (product, part.Format) switch
                {
                    (Product.Int8, IntegerFormat format) => Dot(format, row, quantized!),
                    (Product.BFloat16, BF16 format) => DotPairs(format, row, rounded),
                    (_, IntegerFormat) or (Product.BFloat16, _) => DotCodes(part.Format, row, rounded),
                    _ => Dot(part.Format, row, floats),
                };
                if (precision == ActivationPrecision.FP8)
                    sum *= tokenScale;
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
        return DotPairs(Array.ConvertAll(weights, WithoutTiny), rounded);
    }

    private static float DotPairs(ReadOnlySpan<float> weights, ReadOnlySpan<float> rounded)
    {
        float sum = 0;
        for (int i = 0; i < weights.Length; i += 2)
        {
            if (i + 1 < weights.Length)
                sum = MathF.FusedMultiplyAdd(weights[i + 1], rounded[i + 1], sum);
            sum = MathF.FusedMultiplyAdd(weights[i], rounded[i], sum);
        }
        return sum;
    }

    /// <summary>
    /// Weights that are codes with scales, by activations that are floats. The codes themselves, integers or levels, are bfloat16: each
    /// group is summed as <see cref="DotPairs(WeightFormat, ReadOnlySpan{byte}, ReadOnlySpan{float})"/> does, and joined by its scale and, after
    /// each 32 columns, minimums. So no weight is rounded (but for levels that are no bfloat16).
    /// </summary>
    private static float DotCodes(WeightFormat format, ReadOnlySpan<byte> row, float[] rounded)
    {
        int size = format is IntegerFormat integer ? integer.GroupSize : 32, groups = rounded.Length / size, parts = 32 / size;
        float[] codes = new float[rounded.Length], scales = new float[groups], mins = [];
        if (format is IntegerFormat integers)
        {
            sbyte[] quants = new sbyte[rounded.Length];
            mins = new float[integers.HasMin ? groups : 0];
            integers.Decompose(row, quants, scales, mins);
            codes = Array.ConvertAll(quants, q => (float)q);
        }
        else
        {
            ((ScaledFloats)format).Decompose(row, codes, scales);
            codes = RoundToBFloat16(codes);
        }
        float sum = 0;
        for (int g = 0; g < groups; g += parts)
        {
            for (int h = g; h < g + parts; h++)
                sum = MathF.FusedMultiplyAdd(DotPairs(codes.AsSpan(h * size, size), rounded.AsSpan(h * size, size)), scales[h], sum);
            for (int h = g; h < g + parts && mins.Length > 0; h++)
                sum = MathF.FusedMultiplyAdd(mins[h], SumOfHalves(rounded.AsSpan(h * size, size)), sum);
        }
        return sum;

        // A sum whose order suits vectors: its 16s, each by adding its upper half to its lower one, and so on.
        static float SumOfHalves(ReadOnlySpan<float> x)
        {
            if (x.Length == 32)
                return SumOfHalves(x[..16]) + SumOfHalves(x[16..]);
            float[] left = x.ToArray();
            for (int half = left.Length / 2; half > 0; half /= 2)
            {
                for (int i = 0; i < half; i++)
                    left[i] += left[i + half];
            }
            return left[0];
        }
    }

    private static float[] RoundToBFloat16(ReadOnlySpan<float> x)
    {
        byte[] halves = new byte[BFloat16.Bytes(x.Length)];
        float[] rounded = new float[x.Length];
        BFloat16.Quantize(x, halves);
        BFloat16.Dequantize(halves, rounded);
        return Array.ConvertAll(rounded, WithoutTiny);
    }

    /// <summary>
    /// Activations that do not meet integers, as <see cref="ActivationPrecision"/> says they are rounded, and the scale that they are to be
    /// multiplied by: of FP8, whose codes are bfloat16 while their products with the scale are not, it multiplies sums.
    /// </summary>
    /// <param name="precision">How.</param>
    /// <param name="x">The activations.</param>
    /// <param name="range">The magnitude that the scale of all stands for, 0 for the largest of them.</param>
    private static (float[] Rounded, float Scale) Round(ActivationPrecision precision, float[] x, float range)
    {
        switch (precision)
        {
            case ActivationPrecision.BF16:
                byte[] halves = new byte[BFloat16.Bytes(x.Length)];
                float[] result = new float[x.Length];
                BFloat16.Quantize(x, halves);
                BFloat16.Dequantize(halves, result);
                return (result, 1);
            case ActivationPrecision.Int8:
                return ([.. x.Chunk(32).SelectMany(group => ToIntegers(group))], 1);
            case ActivationPrecision.Int8Token:
                return (ToIntegers(x, range), 1);
            case ActivationPrecision.FP8:
                float scale = Largest(x, range) / Float8.LargestE4M3;
                // As of integers: what is below the normal numbers counts as zero, what is not finite spoils all.
                return float.IsNormal(scale)
                    ? (Array.ConvertAll(x, value => Float8.FromE4M3(Float8.ToE4M3(value / scale))), scale)
                    : (new float[x.Length], float.IsNaN(scale) ? scale : 0);
            default:
                return (x, 1);
        }

        // Those that do meet integers are rounded likewise.
        static float[] ToIntegers(float[] x, float range = 0)
        {
            float scale = Largest(x, range) / 127, inverse = 1 / scale;
            return float.IsNormal(scale)
                ? Array.ConvertAll(x, value => (MathF.Round(value * inverse, MidpointRounding.ToEven) + 0f) * scale)
                : [.. Enumerable.Repeat(float.IsNaN(scale) ? scale : 0, x.Length)];
        }
    }

    /// <summary>The largest magnitude, or the range if there is one; NaN if a value is not finite.</summary>
    private static float Largest(ReadOnlySpan<float> x, float range = 0)
    {
        float largest = 0;
        foreach (float value in x)
            largest = float.IsFinite(value) ? Math.Max(largest, Math.Abs(value)) : float.NaN;
        return range > 0 && float.IsFinite(largest) ? range : largest;
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
    /// Activations as 8-bit integers: every 32, or 256, or all of a token, share a scale, their largest magnitude / 127. A group with an
    /// infinity or NaN gets a scale of NaN, so that what it touches is NaN; one below the normal floats counts as zero.
    /// </summary>
    private sealed class QuantizedRow
    {
        public QuantizedRow(ReadOnlySpan<float> x, int groupSize, ActivationPrecision precision, float range)
        {
            float ofToken = Largest(x, range);
            GroupSize = groupSize;
            Quants = new sbyte[x.Length];
            Scales = new float[x.Length / GroupSize];
            for (int g = 0; g < Scales.Length; g++)
            {
                ReadOnlySpan<float> group = x.Slice(g * GroupSize, GroupSize);
                float scale = (precision == ActivationPrecision.Int8Token ? ofToken : Largest(group)) / 127;
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
