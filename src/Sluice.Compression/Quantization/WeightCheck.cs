using System.Numerics;
using System.Runtime.InteropServices;
using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>Finds weights that no type can hold: a damaged or overflowed model must not become a damaged quantized one unseen.</summary>
internal static class WeightCheck
{
    /// <summary>Checks whole rows of a matrix.</summary>
    /// <exception cref="InvalidDataException">A value is no finite number, or larger than the matrix's format holds.</exception>
    public static void Check(ReadOnlySpan<float> values, MatrixToQuantize matrix, int firstRow)
    {
        // Without its sign, a float's bits are in the order of its magnitude, with infinity and NaN above all numbers.
        uint limit = BitConverter.SingleToUInt32Bits(matrix.Format.LargestMagnitude), largest = 0;
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(values);
        Vector<uint> magnitudes = new(0x7FFF_FFFF), most = Vector<uint>.Zero;
        int i = 0;
        for (; i <= bits.Length - Vector<uint>.Count; i += Vector<uint>.Count)
            most = Vector.Max(most, new Vector<uint>(bits[i..]) & magnitudes);
        for (int lane = 0; lane < Vector<uint>.Count; lane++)
            largest = Math.Max(largest, most[lane]);
        for (; i < bits.Length; i++)
            largest = Math.Max(largest, bits[i] & 0x7FFF_FFFF);
        if (largest > limit)
            throw Error(values, matrix, firstRow);
    }

    /// <summary>
    /// Checks tensors before a method runs the model, which takes hours where this takes as long as reading the file: weights that are no numbers
    /// would be found only by what they make of inputs, far from where they are.
    /// </summary>
    /// <param name="tensors">With what they become.</param>
    /// <param name="threads">Threads; 0 for one a processor.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="InvalidDataException">As of the other; the message names the tensor.</exception>
    public static void Check(IEnumerable<(TensorInfo Tensor, WeightFormat Format)> tensors, int threads, CancellationToken cancellation)
    {
        ParallelOptions parallel = MatrixRows.Threads(threads, cancellation);
        foreach ((TensorInfo tensor, WeightFormat format) in tensors)
        {
            foreach (MatrixToQuantize matrix in MatrixToQuantize.Of(tensor, format))
                MatrixRows.ForEach(matrix, 0, matrix.Rows, wantsMany: false, parallel, (_, _, _) => { });
            tensor.Release();
        }
    }

    private static InvalidDataException Error(ReadOnlySpan<float> values, MatrixToQuantize matrix, int firstRow)
    {
        int at = 0;
        while (MathF.Abs(values[at]) <= matrix.Format.LargestMagnitude)
            at++;
        string expert = matrix.Tensor.Shape.Length > 2 ? $" of matrix {matrix.Expert}" : "";
        string problem = float.IsFinite(values[at])
            ? $", more than {matrix.Format.Name} can hold ({matrix.Format.LargestMagnitude}); --tensor-type can give it another type"
            : ": the model is damaged";
        return new InvalidDataException(
            FormattableString.Invariant($"Tensor '{matrix.Tensor.Name}' has a weight of {values[at]} (row {firstRow + at / matrix.Columns}, column {at % matrix.Columns}{expert}){problem}."));
    }
}
