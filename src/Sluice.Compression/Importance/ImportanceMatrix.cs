using Sluice.Files;

namespace Sluice.Compression;

/// <summary>
/// How large the inputs of each matrix are on some text, column by column: the mean of their squares is what an error in that column's
/// weights costs. <see cref="ImportanceCollector"/> measures it, <see cref="ImportanceFile"/> reads and writes it.
/// </summary>
/// <param name="chunkSize">Tokens of a chunk of the text.</param>
public sealed class ImportanceMatrix(int chunkSize)
{
    private readonly OrderedDictionary<string, ImportanceEntry> _entries = new(StringComparer.Ordinal);

    /// <summary>What was measured, by the names of the stored tensors.</summary>
    public IReadOnlyDictionary<string, ImportanceEntry> Entries => _entries;

    /// <summary>The texts.</summary>
    public IList<string> Datasets { get; } = [];

    /// <summary>Tokens of a chunk.</summary>
    public int ChunkSize { get; } = chunkSize;

    /// <summary>How many chunks were run.</summary>
    public int Chunks { get; set; }

    /// <summary>The entry of a tensor; a new one of zeros if there was none.</summary>
    /// <exception cref="InvalidDataException">There is one of another shape.</exception>
    public ImportanceEntry Entry(string name, int columns, int matrices)
    {
        if (!_entries.TryGetValue(name, out ImportanceEntry? entry))
            _entries.Add(name, entry = new ImportanceEntry(columns, matrices));
        if (entry.Columns != columns || entry.Counts.Length != matrices)
            throw new InvalidDataException($"The importance of '{name}' is [{entry.Columns}, {entry.Counts.Length}] in one place and [{columns}, {matrices}] in another: they belong to different models.");
        return entry;
    }

    /// <summary>The mean squares of a tensor's inputs [matrices * columns]; null where nothing is known of it.</summary>
    /// <exception cref="InvalidDataException">It was measured of a tensor of another shape.</exception>
    public float[]? Find(TensorInfo tensor)
    {
        if (!_entries.TryGetValue(tensor.Name, out ImportanceEntry? entry))
            return null;
        return entry.Columns == tensor.Shape[0] && entry.Counts.Length == MatrixToQuantize.CountOf(tensor)
            ? entry.Means()
            : throw new InvalidDataException($"The importance matrix has [{entry.Columns}, {entry.Counts.Length}] for '{tensor.Name}', which is [{string.Join(", ", tensor.Shape)}]: it belongs to another model.");
    }

    /// <summary>Adds what another matrix measured of the same model.</summary>
    /// <exception cref="InvalidDataException">It is of another model.</exception>
    public void Merge(ImportanceMatrix other)
    {
        foreach ((string name, ImportanceEntry entry) in other._entries)
            Entry(name, entry.Columns, entry.Counts.Length).Add(entry);
        foreach (string dataset in other.Datasets.Except(Datasets).ToArray())
            Datasets.Add(dataset);
        Chunks += other.Chunks;
    }
}

/// <summary>What was measured of the inputs of one tensor.</summary>
/// <param name="columns">Its input features.</param>
/// <param name="matrices">Its matrices: 1, or experts.</param>
public sealed class ImportanceEntry(int columns, int matrices)
{
    /// <summary>Input features.</summary>
    public int Columns => columns;

    /// <summary>The sums of the squares of the inputs [matrices * columns].</summary>
    public double[] Sums { get; } = new double[columns * matrices];

    /// <summary>How many inputs each matrix had [matrices].</summary>
    public double[] Counts { get; } = new double[matrices];

    /// <summary>Adds an input of a matrix.</summary>
    public void Add(ReadOnlySpan<float> input, int matrix)
    {
        Span<double> sums = Sums.AsSpan(matrix * columns, columns);
        for (int i = 0; i < sums.Length; i++)
            sums[i] += (double)input[i] * input[i];
        Counts[matrix]++;
    }

    /// <summary>Adds inputs of a matrix that were summed up already.</summary>
    public void Add(InputStatistics inputs, int matrix)
    {
        for (int i = 0; i < columns; i++)
            Sums[matrix * columns + i] += inputs.Gram[i * columns + i];
        Counts[matrix] += inputs.Count;
    }

    /// <summary>Adds what another entry measured.</summary>
    public void Add(ImportanceEntry other)
    {
        for (int i = 0; i < Sums.Length; i++)
            Sums[i] += other.Sums[i];
        for (int i = 0; i < Counts.Length; i++)
            Counts[i] += other.Counts[i];
    }

    /// <summary>The mean squares; 0 for a matrix that had no input, as an expert that the text never reached.</summary>
    public float[] Means()
    {
        float[] means = new float[Sums.Length];
        for (int i = 0; i < means.Length; i++)
            means[i] = Counts[i / columns] > 0 ? (float)(Sums[i] / Counts[i / columns]) : 0;
        return means;
    }
}
