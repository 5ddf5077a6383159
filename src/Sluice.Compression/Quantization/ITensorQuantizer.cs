using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// A method of quantization: what is written for each tensor of a model (<see cref="ModelQuantizer"/> reads, cuts, checks and writes).
/// <see cref="NearestQuantizer"/> encodes each tensor alone; GPTQ and AWQ are others.
/// </summary>
public interface ITensorQuantizer
{
    /// <summary>
    /// Whether the method changes the values of a tensor that keeps its type, as AWQ folds scales into norms; such a tensor is encoded too
    /// rather than copied.
    /// </summary>
    bool Changes(TensorInfo tensor) => false;

    /// <summary>Changes the metadata that is written, where the method changes or finds out what it says.</summary>
    void Describe(Metadata metadata)
    {
        // What is said of the model stays true.
    }

    /// <summary>Begins a matrix, whose rows then come in pieces.</summary>
    IMatrixQuantizer Begin(MatrixToQuantize matrix);
}

/// <summary>Encodes the rows of one matrix.</summary>
public interface IMatrixQuantizer : IDisposable
{
    /// <summary>Whether rows are quicker together, so that a thread should get as many as there are.</summary>
    bool WantsManyRows => false;

    /// <summary>Encodes neighbouring rows. Several threads call this at once, for different rows.</summary>
    /// <param name="firstRow">The number of the first of them.</param>
    /// <param name="rows">Whole rows of finite values, which may be overwritten.</param>
    /// <param name="bytes">The rows' bytes in the matrix's format, written.</param>
    void Quantize(int firstRow, Span<float> rows, Span<byte> bytes);

    /// <summary>Rounds neighbouring rows, and encodes nothing; called as <see cref="Quantize"/> is.</summary>
    /// <returns>The rows as the method rounds them; null if it has no <see cref="Grid"/> for the matrix.</returns>
    RoundedMatrix? Round(int firstRow, Span<float> rows) => null;
}

/// <summary>A matrix to encode: a tensor of two dimensions, one expert of a tensor of three, or a vector as a single row.</summary>
/// <param name="Tensor">The tensor as it is stored.</param>
/// <param name="Expert">Which of its matrices.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Columns">Inputs.</param>
/// <param name="Format">What it becomes.</param>
/// <param name="Importance">What an error in each column counts: an importance matrix's mean squares, or empty for none.</param>
public sealed record MatrixToQuantize(
    TensorInfo Tensor, int Expert, int Rows, int Columns, WeightFormat Format, ReadOnlyMemory<float> Importance)
{
    /// <summary>How many matrices a tensor has: its experts, or 1.</summary>
    public static int CountOf(TensorInfo tensor) =>
        tensor.Shape.Length > 2 ? checked((int)(tensor.Count / (tensor.Shape[0] * tensor.Shape[1]))) : 1;

    /// <summary>The matrices of a tensor.</summary>
    /// <param name="tensor">The tensor as it is stored.</param>
    /// <param name="format">What it becomes.</param>
    /// <param name="importance">Of all of them [matrices, columns]; empty for none.</param>
    public static IEnumerable<MatrixToQuantize> Of(TensorInfo tensor, WeightFormat format, ReadOnlyMemory<float> importance = default)
    {
        int count = CountOf(tensor), columns = checked((int)(tensor.Shape.Length == 0 ? 1 : tensor.Shape[0]));
        int rows = checked((int)(tensor.Count / columns / count));
        for (int expert = 0; expert < count; expert++)
            yield return new MatrixToQuantize(tensor, expert, rows, columns, format, importance.IsEmpty ? default : importance.Slice(expert * columns, columns));
    }
}
