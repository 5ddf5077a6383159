using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>The operations on this machine's processor: vector code, on several threads. Results do not depend on their number.</summary>
public sealed unsafe partial class CpuOps : Ops
{
    /// <summary>Starts the threads.</summary>
    /// <param name="threads">How many work on an operation; 0 for one on each physical core.</param>
    /// <param name="pin">Whether each of them but the calling one stays on a processor of its own.</param>
    /// <exception cref="NotSupportedException">The environment variable SLUICE_ISA names no instruction set of this processor.</exception>
    /// <exception cref="PlatformNotSupportedException">Threads are to be pinned, and this system has no call for it.</exception>
    public CpuOps(int threads = 0, bool pin = false)
        : this(threads, Kernels.Best(), pin)
    {
    }

    /// <summary>
    /// With threads and scratch memory of its own, and the weights of another, so that two can run the same model at once. It loads
    /// what the other loaded, in the same order, and is disposed before it.
    /// </summary>
    /// <param name="threads">How many work on an operation; 0 for one on each physical core.</param>
    /// <param name="owner">Whose weights it uses.</param>
    public CpuOps(int threads, CpuOps owner)
        : this(threads, owner.kernels)
    {
        this.owner = owner;
        Activations = owner.Activations;
    }

    internal CpuOps(int threads, Kernels kernels, bool pin = false)
    {
        this.kernels = kernels;
        if (kernels is VnniKernels)
            VnniKernels.WarmUp();
        Pool = new WorkerPool(threads, pin);
        scratch = new WorkerScratch[Pool.Threads];
        for (int i = 0; i < scratch.Length; i++)
            scratch[i] = new WorkerScratch();
    }

    /// <summary>The threads that operations share.</summary>
    internal WorkerPool Pool { get; }

    /// <summary>How linear maps of a format are computed, in words: how weights are kept, and what they are multiplied by.</summary>
    /// <param name="format">The format.</param>
    /// <param name="activations">How inputs are rounded.</param>
    /// <param name="zeroShare">Where small inputs count as zero, the share that is expected (<see cref="WeightData.ZeroShare"/>).</param>
    public static string KernelOf(WeightFormat format, ActivationPrecision activations = ActivationPrecision.Auto, float? zeroShare = null) =>
        Panels.Describe(format, activations) + zeroShare switch
        {
            null => "",
            >= IColumns.LeastShare when Panels.FitsColumns(format, activations) => ", columns that meet zeros left unread",
            _ => ", all columns read",
        };

    /// <summary>The instruction set of the kernels.</summary>
    public static string InstructionSet => Kernels.Best().Name;

    /// <summary>Parallel loops so far, at whose ends all threads wait for the last.</summary>
    public long SharedLoops => Pool.SharedLoops;

    /// <inheritdoc/>
    public override Tensor Embed(WeightData table, ReadOnlySpan<int> ids)
    {
        Tensor result = Allocate(ids.Length, table.Columns);
        fixed (int* first = ids)
            Pool.For(ids.Length, new EmbedJob(table, first, result));
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
    protected override void Dispose(bool disposing)
    {
        Pool.Dispose();
        foreach (WorkerScratch room in scratch)
            room.Dispose();
        foreach (CpuWeight weight in weights)
            weight.Dispose();
        weights.Clear();
        base.Dispose(disposing);
    }

    private readonly struct EmbedJob(WeightData table, int* ids, Tensor result) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int i = start; i < end; i++)
                table.Format.Dequantize(table.Row(ids[i]), result[i]);
        }
    }
}
