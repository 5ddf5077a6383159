using System.Text;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// Writes GGUF: first every tensor is declared, because the header comes first and holds all of them, then their bytes follow in
/// the same order, in pieces of any size, so that no tensor needs to be in memory whole.
/// </summary>
/// <example><code>
/// using GgufWriter writer = GgufWriter.Create("model.gguf", metadata);
/// writer.Declare("token_embd.weight", TensorType.F32, [64, 512]);
/// writer.Write("token_embd.weight", bytes);
/// writer.Finish();
/// </code></example>
public sealed class GgufWriter : IDisposable
{
    private readonly Stream _stream;
    private readonly Metadata _metadata;
    private readonly int _version;
    private readonly long _alignment;
    private readonly string? _path;
    private readonly OrderedDictionary<string, (TensorType Type, long[] Shape, long Bytes)> _tensors = [];
    private bool _headerWritten;
    private int _current;
    private long _written;

    /// <summary>Writes to a stream, which stays open.</summary>
    /// <param name="stream">The stream; it need not seek.</param>
    /// <param name="metadata">The metadata; <c>general.alignment</c> in it sets the alignment of tensors (32 without).</param>
    /// <param name="version">2 or 3; they differ in nothing but the number.</param>
    /// <exception cref="InvalidDataException"><c>general.alignment</c> is no power of two.</exception>
    public GgufWriter(Stream stream, Metadata metadata, int version = 3)
    {
        if (version is not (2 or 3))
            throw new ArgumentOutOfRangeException(nameof(version), version, "Sluice writes versions 2 and 3 of GGUF.");
        _alignment = GgufReader.Alignment(metadata);
        _stream = stream;
        _metadata = metadata;
        _version = version;
    }

    private GgufWriter(string path, FileStream stream, Metadata metadata, int version)
        : this(stream, metadata, version) => _path = path;

    /// <summary>
    /// Writes to a file: to <c>PATH.part</c>, which <see cref="Finish"/> renames and <see cref="Dispose"/> without it deletes, so
    /// that a file of that name is always whole.
    /// </summary>
    /// <exception cref="IOException">The file cannot be created.</exception>
    public static GgufWriter Create(string path, Metadata metadata, int version = 3)
    {
        FileStream stream = new(path + ".part", FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
        try
        {
            return new GgufWriter(path, stream, metadata, version);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Writes a whole file of tensors that exist already.</summary>
    /// <param name="path">The file; it appears when it is whole.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <param name="tensors">Its tensors.</param>
    /// <param name="version">As of <see cref="GgufWriter(Stream, Metadata, int)"/>.</param>
    /// <param name="cancellation">Stops it between tensors; nothing is left behind.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(
        string path, Metadata metadata, IReadOnlyCollection<TensorInfo> tensors, int version = 3, CancellationToken cancellation = default)
    {
        using GgufWriter writer = Create(path, metadata, version);
        foreach (TensorInfo tensor in tensors)
            writer.Declare(tensor.Name, tensor.Type, tensor.Shape);
        foreach (TensorInfo tensor in tensors)
        {
            cancellation.ThrowIfCancellationRequested();
            writer.Write(tensor.Name, tensor.Data);
            tensor.Release();
        }
        writer.Finish();
    }

    /// <summary>Declares the next tensor; all are declared before the first is written.</summary>
    /// <param name="name">Its name, which no other has.</param>
    /// <param name="type">How its elements are stored.</param>
    /// <param name="shape">Its dimensions, the fastest first.</param>
    /// <exception cref="InvalidDataException">The shape is impossible for the type, or the name is taken.</exception>
    public void Declare(string name, TensorType type, params ReadOnlySpan<long> shape)
    {
        if (_headerWritten)
            throw new InvalidOperationException("All tensors are declared before the first is written.");
        if (shape.Length > 4)
            throw new InvalidDataException($"Tensor '{name}' has {shape.Length} dimensions; GGUF has at most 4.");
        long bytes = TensorSizes.Bytes(_path ?? "GGUF", name, type, shape);
        if (!_tensors.TryAdd(name, (type, shape.ToArray(), bytes)))
            throw new InvalidDataException($"Tensor '{name}' is declared twice.");
    }

    /// <summary>The bytes that the file will have, with all that is declared so far.</summary>
    public long Length
    {
        get
        {
            long header = Header().Length;
            return header + Padding(header) + _tensors.Values.Sum(tensor => tensor.Bytes + Padding(tensor.Bytes));
        }
    }

    /// <summary>Writes the next bytes of a tensor; tensors come in the order in which they were declared.</summary>
    /// <exception cref="InvalidOperationException">It is not this tensor's turn, or there are more bytes than it has.</exception>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        BeginData();
        if (_current == _tensors.Count || _tensors.GetAt(_current).Key != name)
            throw new InvalidOperationException($"It is not the turn of tensor '{name}'.");
        long size = _tensors.GetAt(_current).Value.Bytes;
        if (bytes.Length > size - _written)
            throw new InvalidOperationException($"Tensor '{name}' has {size} bytes, and more were written.");
        _stream.Write(bytes);
        _written += bytes.Length;
        if (_written == size)
        {
            Pad(size);
            _current++;
            _written = 0;
        }
    }

    /// <summary>Writes the next bytes of a tensor from a file.</summary>
    /// <inheritdoc cref="Write(string, ReadOnlySpan{byte})"/>
    public void Write(string name, MappedBytes bytes)
    {
        const int Piece = 16 << 20;
        for (long offset = 0; offset < bytes.Length; offset += Piece)
            Write(name, bytes.Span(offset, (int)Math.Min(Piece, bytes.Length - offset)));
    }

    /// <summary>Ends the file.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not complete.</exception>
    public void Finish()
    {
        BeginData();
        if (_current < _tensors.Count)
            throw new InvalidOperationException($"Tensor '{_tensors.GetAt(_current).Key}' is not complete.");
        _stream.Flush();
        if (_path is null)
            return;
        _stream.Dispose();
        File.Move(_path + ".part", _path, overwrite: true);
    }

    /// <summary>Gives up a file that <see cref="Finish"/> did not end.</summary>
    public void Dispose()
    {
        if (_path is null)
            return;
        try
        {
            _stream.Dispose();
        }
        finally
        {
            // Closing writes what is buffered, which a full disk refuses.
            File.Delete(_path + ".part");
        }
    }

    private void BeginData()
    {
        if (_headerWritten)
            return;
        _headerWritten = true;
        // The header's length decides its padding and a stream may not know its position: so it is made in memory first.
        using MemoryStream header = Header();
        _stream.Write(header.GetBuffer().AsSpan(0, (int)header.Length));
        Pad(header.Length);
    }

    private MemoryStream Header()
    {
        MemoryStream header = new();
        BinaryWriter writer = new(header);
        writer.Write(GgufReader.Magic);
        writer.Write(_version);
        writer.Write((ulong)_tensors.Count);
        writer.Write((ulong)_metadata.Count);
        foreach ((string key, MetadataValue value) in _metadata)
        {
            WriteString(writer, key);
            writer.Write((uint)value.Type);
            WriteValue(writer, value);
        }
        long offset = 0;
        foreach ((string name, (TensorType type, long[] shape, long bytes)) in _tensors)
        {
            WriteString(writer, name);
            writer.Write(shape.Length);
            foreach (long dimension in shape)
                writer.Write(dimension);
            writer.Write((uint)type);
            writer.Write(offset);
            offset = checked(offset + bytes + Padding(bytes));
        }
        writer.Flush();
        return header;
    }

    private static void WriteValue(BinaryWriter writer, MetadataValue value)
    {
        if (value.Array is { } array)
        {
            writer.Write((uint)array.ElementType);
            writer.Write(array.Count);
            writer.Write(array.Bytes.Span());
        }
        else if (value.Text is { } text)
        {
            WriteString(writer, text);
        }
        else
        {
            Span<byte> bytes = stackalloc byte[value.Type.Size()];
            value.Scalar!.Value.Write(bytes);
            writer.Write(bytes);
        }
    }

    private static void WriteString(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private void Pad(long length)
    {
        for (long i = Padding(length); i > 0; i--)
            _stream.WriteByte(0);
    }

    private long Padding(long length) => -length & (_alignment - 1);
}
