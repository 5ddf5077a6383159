namespace Sluice.Tensors;

public sealed unsafe partial class ScalarOps
{
    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts) => new StoredWeight(parts.ToArray());

    /// <inheritdoc/>
    public override Tensor Linear(Tensor x, Weight weight, Tensor bias = default)
    {
        StoredWeight stored = (StoredWeight)weight;
        Require(x.Columns == stored.Columns, $"{stored.Name} takes {stored.Columns} values; rows have {x.Columns}.");
        Tensor result = Allocate(x.Rows, stored.Rows);
        for (int row = 0; row < x.Rows; row++)
            Multiply(x[row], stored, 0, bias, result[row]);
        return result;
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

    private static void Multiply(ReadOnlySpan<float> x, StoredWeight weight, int expert, Tensor bias, Span<float> result)
    {
        float[] row = new float[weight.Columns];
        int output = 0;
        foreach (WeightData part in weight.Parts)
        {
            for (int r = 0; r < part.Rows; r++, output++)
            {
                part.Format.Dequantize(part.Row(r, expert), row);
                float sum = 0;
                for (int i = 0; i < row.Length; i++)
                    sum = MathF.FusedMultiplyAdd(row[i], x[i], sum);
                result[output] = sum + (bias.IsEmpty ? 0 : bias[expert][output]);
            }
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
