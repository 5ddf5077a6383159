namespace Sluice.Tensors;

/// <summary>
/// Weights made ready by an <see cref="Ops"/> for its own use, and owned by it. One weight may join several stored tensors of
/// equal input width (Q, K and V; gate and up), each in its own format: their outputs stand side by side.
/// </summary>
public abstract class Weight
{
    /// <summary>Describes a weight.</summary>
    protected Weight(string name, int rows, int columns, int experts, long bytes) =>
        (Name, Rows, Columns, Experts, Bytes) = (name, rows, columns, experts, bytes);

    /// <summary>The stored tensors' names, for messages.</summary>
    public string Name { get; }

    /// <summary>Output features, of all parts together.</summary>
    public int Rows { get; }

    /// <summary>Input features.</summary>
    public int Columns { get; }

    /// <summary>Matrices: 1, or the experts of a mixture.</summary>
    public int Experts { get; }

    /// <summary>The bytes that they take in memory, of all matrices together.</summary>
    public long Bytes { get; }
}
