using Sluice.Files;

namespace Sluice.Compression;

/// <summary>What the rows and columns of a model's tensors are multiplied by, the function of the model staying the same.</summary>
internal sealed class FoldedFactors
{
    private readonly Dictionary<string, (float[]? Rows, float[]? Columns)> _factors = [];
    private readonly ModelFile _file;

    /// <summary>None yet.</summary>
    public FoldedFactors(ModelFile file) => _file = file;

    /// <summary>Those that a search finds for every pair of a model, and for each of its experts.</summary>
    /// <param name="file">The model.</param>
    /// <param name="calibrator">The statistics.</param>
    /// <param name="grid">What a tensor will be rounded to; null where it keeps its floats.</param>
    /// <param name="search">Gives the pair's factors.</param>
    public static FoldedFactors Search(
        ModelFile file, Calibrator calibrator, Func<TensorInfo, Grid?> grid, Func<FoldPair, FoldConsumer[], float[]> search)
    {
        FoldedFactors factors = new(file);
        foreach (FoldPair pair in FoldPair.Find(file))
        {
            float[] all = new float[pair.Experts * pair.Count];
            for (int expert = 0; expert < pair.Experts; expert++)
                search(pair, FoldConsumer.Of(pair, expert, calibrator, grid)).CopyTo(all, expert * pair.Count);
            factors.Fold(pair, all);
        }
        return factors;
    }

    /// <summary>Whether a tensor's values change.</summary>
    public bool Has(TensorInfo tensor) => _factors.ContainsKey(tensor.Name);

    /// <summary>Multiplies the columns of a pair's maps by factors, and divides what they read.</summary>
    /// <param name="pair">The pair.</param>
    /// <param name="factors">[pair.Experts, pair.Count].</param>
    public void Fold(FoldPair pair, ReadOnlySpan<float> factors)
    {
        foreach (TensorInfo to in pair.To)
        {
            int columns = (int)to.Shape[0];
            float[] target = Columns(to.Name, columns * pair.Experts);
            for (int i = 0; i < target.Length; i++)
                target[i] *= factors[i / columns * pair.Count + pair.FactorOf(i % columns)];
        }
        if (pair.IsVector)
        {
            Divide(Columns(pair.From.Name, pair.Count), factors);
        }
        else
        {
            int rows = (int)pair.From.Shape[1];
            float[] divided = Rows(pair.From.Name, rows * pair.Experts);
            for (int e = 0; e < pair.Experts; e++)
                Divide(divided.AsSpan(e * rows + pair.FirstRow, pair.Count), factors.Slice(e * pair.Count, pair.Count));
        }
        // A bias is of what is divided.
        string bias = pair.From.Name[..^"weight".Length] + "bias";
        if (_file.Tensors.TryGetValue(bias, out TensorInfo? vector))
        {
            int width = (int)vector.Shape[0];
            float[] divided = Columns(bias, checked((int)vector.Count));
            for (int e = 0; e < pair.Experts; e++)
                Divide(divided.AsSpan(e * width + pair.FirstRow, pair.Count), factors.Slice(e * pair.Count, pair.Count));
        }
    }

    /// <summary>The factors of a matrix's columns, or none.</summary>
    public ReadOnlySpan<float> ColumnsOf(string tensor, int expert, int columns)
    {
        if (!_factors.TryGetValue(tensor, out (float[]? Rows, float[]? Columns) found) || found.Columns is not { } factors)
            return [];
        return factors.AsSpan(factors.Length == columns ? 0 : expert * columns, columns);
    }

    /// <summary>Multiplies neighbouring rows of a matrix.</summary>
    /// <param name="tensor">Its tensor's name.</param>
    /// <param name="expert">Which of the tensor's matrices.</param>
    /// <param name="allRows">The matrix's rows.</param>
    /// <param name="firstRow">The first of these rows.</param>
    /// <param name="values">[rows, columns], multiplied.</param>
    /// <param name="columns">The matrix's columns.</param>
    public void Multiply(string tensor, int expert, int allRows, int firstRow, Span<float> values, int columns)
    {
        if (!_factors.TryGetValue(tensor, out (float[]? Rows, float[]? Columns) found))
            return;
        // A table of a vector for each expert (biases) is one matrix with factors for all of its elements.
        ReadOnlySpan<float> across = found.Columns is { } own && own.Length == (long)allRows * columns && allRows > 1 ? [] : ColumnsOf(tensor, expert, columns);
        for (int row = 0; row * columns < values.Length; row++)
        {
            Span<float> of = values.Slice(row * columns, columns);
            float factor = found.Rows is { } rows ? rows[expert * allRows + firstRow + row] : 1;
            ReadOnlySpan<float> factors = across.IsEmpty && found.Columns is { } each ? each.AsSpan((firstRow + row) * columns, columns) : across;
            for (int i = 0; i < columns; i++)
                of[i] *= factors.IsEmpty ? factor : factor * factors[i];
        }
    }

    private static void Divide(Span<float> values, ReadOnlySpan<float> factors)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] /= factors[i];
    }

    private float[] Columns(string tensor, int count)
    {
        (float[]? rows, float[]? columns) = _factors.GetValueOrDefault(tensor);
        _factors[tensor] = (rows, columns ??= Ones(count));
        return columns;
    }

    private float[] Rows(string tensor, int count)
    {
        (float[]? rows, float[]? columns) = _factors.GetValueOrDefault(tensor);
        _factors[tensor] = (rows ??= Ones(count), columns);
        return rows;
    }

    private static float[] Ones(int count)
    {
        float[] values = new float[count];
        Array.Fill(values, 1);
        return values;
    }
}
