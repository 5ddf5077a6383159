using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public override Routing Route(Tensor logits, in Router router)
    {
        int experts = logits.Columns, used = router.Used;
        if (used <= 0 || used > experts)
            throw new ArgumentException($"{used} of {experts} experts cannot be chosen.");
        if (experts % router.Groups != 0 || router.GroupsUsed > router.Groups)
            throw new ArgumentException($"{experts} experts cannot form {router.Groups} groups.");
        Tensor weights = Allocate(logits.Rows, used);
        int* chosen = AllocateInts(checked(logits.Rows * used));
        using ScratchScope scope = Scratch();
        Tensor room = Allocate(2, experts);
        for (int row = 0; row < logits.Rows; row++)
            ExpertChoice.Choose(logits[row], router, room[0], room[1], new Span<int>(chosen + (long)row * used, used), weights[row]);
        return new Routing(chosen, weights);
    }

    /// <inheritdoc/>
    public override Routing RouteToAll(int rows, int experts)
    {
        Tensor weights = Allocate(rows, experts);
        int* chosen = AllocateInts(checked(rows * experts));
        for (int row = 0; row < rows; row++)
        {
            weights[row].Fill(1);
            for (int expert = 0; expert < experts; expert++)
                chosen[row * experts + expert] = expert;
        }
        return new Routing(chosen, weights);
    }

    /// <inheritdoc/>
    public override Tensor Combine(Tensor y, in Routing routing)
    {
        Tensor result = Allocate(routing.Rows, y.Columns);
        Pool.For(routing.Rows, new CombineJob(y, routing, result));
        return result;
    }

    private readonly struct CombineJob(Tensor y, Routing routing, Tensor result) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int row = start; row < end; row++)
                Combine(row);
        }

        private void Combine(int row)
        {
            float* sum = result.Data + (long)row * result.Stride;
            new Span<float>(sum, y.Columns).Clear();
            for (int j = 0; j < routing.Used; j++)
            {
                float* part = y.Data + ((long)row * routing.Used + j) * y.Stride;
                float weight = routing.Weights[row][j];
                int i = 0;
                for (; i <= y.Columns - 8; i += 8)
                {
                    Vector256.FusedMultiplyAdd(Vector256.Create(weight), Vector256.Load(part + i), Vector256.Load(sum + i))
                        .Store(sum + i);
                }
                for (; i < y.Columns; i++)
                    sum[i] = MathF.FusedMultiplyAdd(weight, part[i], sum[i]);
            }
        }
    }
}
