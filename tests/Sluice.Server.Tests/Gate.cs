using Sluice.Tensors;

namespace Sluice.Server.Tests;

/// <summary>
/// Holds an engine between two operations, for tests of what happens while requests wait or are computed: they need not be quick. The
/// server opens it before it ends.
/// </summary>
internal sealed class Gate : IDisposable
{
    private readonly ManualResetEventSlim _open = new(true);

    /// <summary>Options of an engine that passes this gate.</summary>
    public EngineOptions Options(EngineOptions options) =>
        options with { Wrap = ops => new ObservingOps(ops, (in LinearInputs _) => _open.Wait()) };

    /// <summary>From now on the engine computes nothing.</summary>
    public void Close() => _open.Reset();

    /// <summary>It goes on.</summary>
    public void Open() => _open.Set();

    public void Dispose() => _open.Dispose();
}
