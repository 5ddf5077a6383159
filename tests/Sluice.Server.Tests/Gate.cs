using Sluice.Tensors;

namespace Sluice.Server.Tests;

/// <summary>
/// Holds an engine between two operations, for tests of what happens while requests wait or are answered: they need not be quick, and
/// no answer is over too soon. The server opens it when it ends.
/// </summary>
internal sealed class Gate : IDisposable
{
    private readonly ManualResetEventSlim _open = new(true);
    private int _steps; // that are still let through; 0 for no end

    /// <summary>Options of an engine that passes this gate.</summary>
    public EngineOptions Options(EngineOptions options) => options with { Wrap = ops => new ObservingOps(ops, Pass) };

    /// <summary>From now on the engine computes nothing, or so many more steps alone: each gives every running request a token.</summary>
    public void Close(int afterSteps = 0)
    {
        Volatile.Write(ref _steps, afterSteps);
        if (afterSteps == 0)
            _open.Reset();
    }

    /// <summary>It goes on.</summary>
    public void Open()
    {
        Volatile.Write(ref _steps, 0);
        _open.Set();
    }

    public void Dispose() => _open.Dispose();

    private void Pass(in LinearInputs inputs)
    {
        _open.Wait();
        // The logits' map is a step's last.
        if (inputs.Names[0] is "output.weight" or "token_embd.weight" && Volatile.Read(ref _steps) > 0 && Interlocked.Decrement(ref _steps) == 0)
            _open.Reset();
    }
}
