using System.Runtime.InteropServices;
using System.Text;
using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// Importance matrices as the field's tools read and write them: GGUF (tensors NAME.in_sum2 and NAME.counts), and the older binary
/// form. Source: llama.cpp's imatrix tool.
/// </summary>
public static class ImportanceFile
{
    private const string Sums = ".in_sum2", Counts = ".counts";
    private const string Datasets = "imatrix.datasets", ChunkCount = "imatrix.chunk_count", ChunkSize = "imatrix.chunk_size";

    private const int UsualChunkSize = 512;
    private const int MaxLegacyEntries = 1 << 20, MaxLegacyName = 1 << 12;

    /// <summary>Reads a matrix in either form.</summary>
    /// <param name="path">The file.</param>
    /// <param name="legacyChunkSize">What the older form does not say: tokens of a chunk. They decide the share of each file in a merge.</param>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or no importance matrix.</exception>
    public static ImportanceMatrix Read(string path, int legacyChunkSize = UsualChunkSize)
    {
        using FileStream stream = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        bool isGguf = stream.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("GGUF"u8);
        stream.Position = 0;
        return isGguf ? ReadGguf(path) : ReadLegacy(stream, path, legacyChunkSize);
    }

    /// <summary>Writes a matrix: in the older form if the file's name ends with <c>.dat</c>. The file appears when it is whole.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(ImportanceMatrix matrix, string path)
    {
        if (path.EndsWith(".dat", StringComparison.OrdinalIgnoreCase))
            WriteLegacy(matrix, path);
        else
            WriteGguf(matrix, path);
    }

    private static ImportanceMatrix ReadGguf(string path)
    {
        using ModelFile file = ModelFile.Open(path);
        if (file.Metadata.GetString("general.type", "") != "imatrix")
            throw new InvalidDataException($"{path} is no importance matrix: general.type is not 'imatrix'.");
        ImportanceMatrix matrix = new(Math.Max(1, file.Metadata.GetInt32(ChunkSize, UsualChunkSize))) { Chunks = file.Metadata.GetInt32(ChunkCount, 0) };
        if (file.Metadata.Contains(Datasets))
        {
            StringArray names = file.Metadata.GetStringArray(Datasets);
            for (int i = 0; i < names.Count; i++)
                matrix.Datasets.Add(names[i]);
        }
        foreach (TensorInfo sums in file.Tensors.Values.Where(tensor => tensor.Name.EndsWith(Sums, StringComparison.Ordinal)))
        {
            string name = sums.Name[..^Sums.Length];
            float[] counts = Floats(path, file.Tensor(name + Counts)), values = Floats(path, sums);
            if (counts.Length == 0 || values.Length % counts.Length != 0)
                throw new InvalidDataException($"{path}: '{sums.Name}' has {values.Length} numbers for {counts.Length} counts.");
            Fill(matrix.Entry(name, values.Length / counts.Length, counts.Length), values, counts, 1, path, name);
        }
        return matrix;
    }

    private static float[] Floats(string path, TensorInfo tensor) => tensor.Type == TensorType.F32
        ? MemoryMarshal.Cast<byte, float>(tensor.Data.Span()).ToArray()
        : throw new InvalidDataException($"{path}: tensor '{tensor.Name}' is {tensor.TypeName}, not F32.");

    private static void Fill(ImportanceEntry entry, ReadOnlySpan<float> sums, ReadOnlySpan<float> counts, double factor, string path, string name)
    {
        for (int i = 0; i < sums.Length; i++)
            entry.Sums[i] = Checked(sums[i]) * factor;
        for (int i = 0; i < counts.Length; i++)
            entry.Counts[i] = Checked(counts[i]) * factor;

        double Checked(float value) => value >= 0 && float.IsFinite(value)
            ? value
            : throw new InvalidDataException($"{path}: the importance of '{name}' has {value}, which is no sum of squares and no count.");
    }

    private static void WriteGguf(ImportanceMatrix matrix, string path)
    {
        Metadata metadata = new(path)
        {
            { "general.type", "imatrix" },
            { Datasets, matrix.Datasets.ToArray() },
            { ChunkCount, (uint)matrix.Chunks },
            { ChunkSize, (uint)matrix.ChunkSize },
        };
        using GgufWriter writer = GgufWriter.Create(path, metadata);
        foreach ((string name, ImportanceEntry entry) in matrix.Entries)
        {
            writer.Declare(name + Sums, TensorType.F32, entry.Columns, entry.Counts.Length);
            writer.Declare(name + Counts, TensorType.F32, 1, entry.Counts.Length);
        }
        foreach ((string name, ImportanceEntry entry) in matrix.Entries)
        {
            writer.Write(name + Sums, Bytes(entry.Sums));
            writer.Write(name + Counts, Bytes(entry.Counts));
        }
        writer.Finish();
    }

    private static ReadOnlySpan<byte> Bytes(double[] numbers) => MemoryMarshal.AsBytes<float>(Array.ConvertAll(numbers, number => (float)number));

    // int entries; of each: int length, name, int calls, int values, the values, which are means times calls. Then int chunks, and the
    // length and name of the text.
    private static ImportanceMatrix ReadLegacy(FileStream stream, string path, int chunkSize)
    {
        try
        {
            using BinaryReader reader = new(stream);
            ImportanceMatrix matrix = new(chunkSize);
            int entries = reader.ReadInt32();
            if (entries is <= 0 or > MaxLegacyEntries)
                throw new InvalidDataException($"{path} is no importance matrix: it is no GGUF file and does not begin with a number of entries.");
            for (int i = 0; i < entries; i++)
            {
                string name = Name();
                int calls = reader.ReadInt32(), count = reader.ReadInt32();
                if (calls < 0 || count <= 0 || count > (stream.Length - stream.Position) / sizeof(float))
                    throw new InvalidDataException($"{path}: entry '{name}' has the impossible counts {calls} and {count}.");
                float[] values = new float[count];
                stream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
                Fill(matrix.Entry(name, count, 1), values, [calls], chunkSize, path, name);
            }
            if (stream.Position < stream.Length)
            {
                matrix.Chunks = Math.Max(0, reader.ReadInt32());
                if (stream.Position < stream.Length)
                    matrix.Datasets.Add(Name());
            }
            return matrix;

            string Name()
            {
                int length = reader.ReadInt32();
                return length is > 0 and <= MaxLegacyName
                    ? Encoding.UTF8.GetString(reader.ReadBytes(length))
                    : throw new InvalidDataException($"{path}: a name has the impossible length {length}.");
            }
        }
        catch (EndOfStreamException)
        {
            throw new InvalidDataException($"{path}: the importance matrix ends too early.");
        }
    }

    private static void WriteLegacy(ImportanceMatrix matrix, string path)
    {
        string part = path + ".part";
        try
        {
            using (BinaryWriter writer = new(File.Create(part)))
            {
                writer.Write(matrix.Entries.Count);
                foreach ((string name, ImportanceEntry entry) in matrix.Entries)
                {
                    WriteName(writer, name);
                    int calls = (int)Math.Max(1, Math.Round(entry.Counts.Max() / matrix.ChunkSize));
                    writer.Write(calls);
                    writer.Write(entry.Sums.Length);
                    foreach (float mean in entry.Means())
                        writer.Write(mean * calls);
                }
                writer.Write(matrix.Chunks);
                WriteName(writer, string.Join(", ", matrix.Datasets));
            }
            File.Move(part, path, overwrite: true);
        }
        finally
        {
            File.Delete(part);
        }
    }

    private static void WriteName(BinaryWriter writer, string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }
}
