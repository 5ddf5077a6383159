using Sluice.Files;

namespace Sluice.Compression;

/// <summary>
/// Writes a model in other types: tensors stream through in pieces, each encoded by all threads while the one before is written, so that
/// memory holds a few pieces however large the model.
/// </summary>
public sealed class ModelQuantizer
{
    private const int PieceWeights = 1 << 22;

    private readonly QuantizationPlan _plan;
    private readonly ITensorQuantizer _method;
    private readonly ParallelOptions _parallel;
    private readonly Action<TensorPlan, double>? _progress;
    private readonly byte[][] _buffers = [[], []];
    private readonly long _weights;
    private long _done; // of them

    private ModelQuantizer(QuantizationPlan plan, ITensorQuantizer method, Action<TensorPlan, double>? progress, CancellationToken cancellation)
    {
        (_plan, _method, _progress) = (plan, method, progress);
        _parallel = MatrixRows.Threads(plan.Options.Threads, cancellation);
        _weights = plan.Tensors.Sum(tensor => tensor.Tensor.Count);
    }

    /// <summary>Quantizes a model. Files appear under their names when they are whole, or not at all.</summary>
    /// <param name="plan">What becomes of each tensor.</param>
    /// <param name="path">The GGUF file to write; one of several where the plan keeps a split.</param>
    /// <param name="method">How tensors are encoded.</param>
    /// <param name="progress">Told the tensor that is worked on and the share that is done, 0 to 1.</param>
    /// <param name="cancellation">Stops the work; nothing is left behind.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="InvalidDataException">A weight is no finite number, or too large for its type; the message names the tensor.</exception>
    /// <exception cref="IOException">A file cannot be written, as on a full disk; nothing is left behind.</exception>
    public static IReadOnlyList<string> Run(
        QuantizationPlan plan, string path, ITensorQuantizer method, Action<TensorPlan, double>? progress = null,
        CancellationToken cancellation = default)
    {
        ModelQuantizer quantizer = new(plan, method, progress, cancellation);
        List<string> written = [];
        try
        {
            foreach ((int part, int count, TensorPlan[] tensors) in quantizer.Parts())
            {
                string file = PartPath(path, part, count);
                quantizer.Write(file, quantizer.Describe(part, count), tensors);
                written.Add(file);
            }
        }
        catch
        {
            written.ForEach(File.Delete);
            throw;
        }
        return written;
    }

    /// <summary>The bytes of one tensor, as they would be written.</summary>
    /// <inheritdoc cref="Run"/>
    internal static byte[] Encode(QuantizationPlan plan, TensorPlan tensor, ITensorQuantizer method, CancellationToken cancellation = default)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(checked((int)tensor.Bytes));
        int length = 0;
        foreach ((byte[] buffer, int count) in new ModelQuantizer(plan, method, null, cancellation).Encode(tensor))
        {
            buffer.AsSpan(0, count).CopyTo(bytes.AsSpan(length));
            length += count;
        }
        return bytes;
    }

    /// <summary>The bytes of the file that <see cref="Run"/> would write, or of all of them.</summary>
    /// <param name="plan">What becomes of each tensor.</param>
    /// <param name="method">What describes itself in the metadata as the method of the run will; null for one that does not.</param>
    public static long FileBytes(QuantizationPlan plan, ITensorQuantizer? method = null)
    {
        ModelQuantizer quantizer = new(plan, method ?? new NearestQuantizer(), null, default);
        return quantizer.Parts().Sum(part =>
        {
            using GgufWriter writer = new(Stream.Null, quantizer.Describe(part.Number, part.Count));
            Declare(writer, part.Tensors);
            return writer.Length;
        });
    }

    /// <summary>The files that <see cref="Run"/> would write.</summary>
    public static IReadOnlyList<string> Paths(QuantizationPlan plan, string path)
    {
        int count = CountParts(plan);
        return [.. Enumerable.Range(0, count).Select(part => PartPath(path, part, count))];
    }

    private static string PartPath(string path, int part, int count)
    {
        if (count == 1)
            return path;
        string name = path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? path[..^5] : path;
        return $"{name}-{part + 1:D5}-of-{count:D5}.gguf";
    }

    private static int CountParts(QuantizationPlan plan) => plan.Options.KeepSplit ? plan.Tensors.Max(tensor => tensor.Tensor.Part) + 1 : 1;

    /// <summary>The files to write: which of how many, and its tensors.</summary>
    private IEnumerable<(int Number, int Count, TensorPlan[] Tensors)> Parts()
    {
        int count = CountParts(_plan);
        return Enumerable.Range(0, count).Select(part =>
            (part, count, _plan.Tensors.Where(tensor => count == 1 || tensor.Tensor.Part == part).ToArray()));
    }

    private static void Declare(GgufWriter writer, TensorPlan[] tensors)
    {
        foreach (TensorPlan plan in tensors)
            writer.Declare(plan.Tensor.Name, plan.Format?.Type ?? plan.Tensor.Type, plan.Tensor.Shape);
    }

    private Metadata Describe(int part, int count)
    {
        Metadata metadata = part == 0 ? ModelMetadata.Copy(_plan.File) : new(_plan.File.Path);
        if (part == 0)
        {
            if (_plan.Options.Mix.FileType is { } type)
                metadata["general.file_type"] = type;
            else
                metadata.Remove("general.file_type");
            metadata["general.quantization_version"] = 2u; // of the K formats; there is no other
            _method.Describe(metadata);
        }
        if (count > 1)
        {
            metadata.Add("split.no", (ushort)part);
            metadata.Add("split.count", (ushort)count);
            metadata.Add("split.tensors.count", _plan.Tensors.Count);
        }
        return metadata;
    }

    private void Write(string path, Metadata metadata, TensorPlan[] tensors)
    {
        using GgufWriter writer = GgufWriter.Create(path, metadata);
        Declare(writer, tensors);
        Task writing = Task.CompletedTask;
        try
        {
            foreach (TensorPlan plan in tensors)
            {
                foreach ((byte[] buffer, int count) in Encode(plan))
                {
                    writing.GetAwaiter().GetResult();
                    writing = Task.Run(() => writer.Write(plan.Tensor.Name, buffer.AsSpan(0, count)));
                }
                plan.Tensor.Release();
            }
            writing.GetAwaiter().GetResult();
        }
        catch
        {
            // The file must not be closed under the one who writes.
            writing.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
            throw;
        }
        writer.Finish();
    }

    // The bytes of a tensor, a piece at a time in one of two buffers.
    private IEnumerable<(byte[] Buffer, int Count)> Encode(TensorPlan plan)
    {
        TensorInfo tensor = plan.Tensor;
        if (plan.Format is not { } format)
        {
            for (long offset = 0; offset < tensor.Bytes; offset += PieceWeights)
            {
                int count = (int)Math.Min(PieceWeights, tensor.Bytes - offset);
                byte[] buffer = NextBuffer(count);
                tensor.Data.Span(offset, count).CopyTo(buffer);
                yield return (buffer, count);
            }
            Report(plan, tensor.Count);
            yield break;
        }
        // A type that is kept is copied, but looked at all the same.
        bool isCopied = !plan.IsConverted && !_method.Changes(tensor);
        foreach (MatrixToQuantize matrix in MatrixToQuantize.Of(tensor, format, _plan.Options.Importance?.Find(tensor) ?? default(ReadOnlyMemory<float>)))
        {
            int rowBytes = (int)format.Bytes(matrix.Columns), pieceRows = Math.Clamp(PieceWeights / matrix.Columns, 1, matrix.Rows);
            using IMatrixQuantizer? quantizer = isCopied ? null : _method.Begin(matrix);
            for (int first = 0; first < matrix.Rows; first += pieceRows)
            {
                int count = Math.Min(pieceRows, matrix.Rows - first);
                byte[] buffer = NextBuffer(count * rowBytes);
                EncodePiece(matrix, quantizer, first, count, buffer);
                yield return (buffer, count * rowBytes);
                Report(plan, (long)count * matrix.Columns);
            }
        }
    }

    private void EncodePiece(MatrixToQuantize matrix, IMatrixQuantizer? quantizer, int first, int count, byte[] bytes)
    {
        int rowBytes = (int)matrix.Format.Bytes(matrix.Columns);
        MatrixRows.ForEach(matrix, first, count, quantizer is { WantsManyRows: true }, _parallel, (row, values, stored) =>
        {
            Span<byte> target = bytes.AsSpan((row - first) * rowBytes, values.Length / matrix.Columns * rowBytes);
            if (quantizer is null)
                stored.CopyTo(target);
            else
                quantizer.Quantize(row, values, target);
        });
    }

    // The buffer that is not being written.
    private byte[] NextBuffer(int length)
    {
        (_buffers[0], _buffers[1]) = (_buffers[1], _buffers[0]);
        if (_buffers[0].Length < length)
            _buffers[0] = GC.AllocateUninitializedArray<byte>(length);
        return _buffers[0];
    }

    private void Report(TensorPlan plan, long weights)
    {
        _done += weights;
        _progress?.Invoke(plan, (double)_done / _weights);
    }
}
