namespace Sluice.Tensors.Cpu;

/// <summary>The operations on this machine's processor: vector code, on several threads. Results do not depend on their number.</summary>
public abstract unsafe partial class CpuOps : Ops
{
    /// <summary>Starts the threads.</summary>
    /// <param name="threads">How many work on an operation; 0 for one on each physical core.</param>
    protected CpuOps(int threads = 0) => Pool = new WorkerPool(threads);

    /// <summary>The threads that operations share.</summary>
    internal WorkerPool Pool { get; }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        Pool.Dispose();
        base.Dispose(disposing);
    }
}
