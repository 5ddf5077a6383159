using System.Buffers.Binary;
using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>
/// Writes safetensors: first every tensor is declared, because the header comes first and holds all of them, then their bytes follow in the
/// same order, in pieces of any size. The file is <c>PATH.part</c> until <see cref="Finish"/>.
/// </summary>
internal sealed class SafetensorsWriter : IDisposable
{
    private readonly OrderedDictionary<string, (string Type, long[] Shape, long Bytes)> _tensors = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly FileStream _stream;
    private int _next = -1; // the tensor whose turn it is; -1 before the header
    private long _written; // of it

    /// <summary>Creates the file.</summary>
    public SafetensorsWriter(string path)
    {
        _path = path;
        _stream = new FileStream(path + ".part", FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
    }

    /// <summary>The bytes that all declared tensors take.</summary>
    public long DataBytes => _tensors.Values.Sum(tensor => tensor.Bytes);

    /// <summary>Says that a tensor will follow; its shape has the slowest dimension first.</summary>
    public void Declare(string name, TensorType type, params long[] shape)
    {
        (string dtype, int size) = type switch
        {
            TensorType.F32 => ("F32", 4),
            TensorType.F16 => ("F16", 2),
            TensorType.BF16 => ("BF16", 2),
            TensorType.I32 => ("I32", 4),
            TensorType.E4M3 => ("F8_E4M3", 1),
            _ => throw new NotSupportedException($"Tensor '{name}': {type} is not written to safetensors."),
        };
        _tensors.Add(name, (dtype, shape, checked(TensorSizes.Count(shape) * size)));
    }

    /// <summary>Writes the next bytes of the next tensor.</summary>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        if (_next < 0)
            WriteHeader();
        (string expected, (_, _, long length)) = _tensors.GetAt(_next);
        if (name != expected || bytes.Length > length - _written)
            throw new ArgumentException($"{bytes.Length} bytes of tensor '{name}' were written where {length - _written} of '{expected}' are next.");
        _stream.Write(bytes);
        _written += bytes.Length;
        if (_written == length)
            (_next, _written) = (_next + 1, 0);
    }

    /// <summary>Ends the file and gives it its name.</summary>
    public void Finish()
    {
        if (_next != _tensors.Count)
            throw new InvalidOperationException($"{_next} of {_tensors.Count} tensors were written.");
        _stream.Dispose();
        File.Move(_path + ".part", _path, overwrite: true);
    }

    /// <summary>Deletes what was not finished.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        File.Delete(_path + ".part");
    }

    private void WriteHeader()
    {
        using MemoryStream header = new();
        using (Utf8JsonWriter json = new(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("format", "pt"); // transformers refuses files that do not say so
            json.WriteEndObject();
            long start = 0;
            foreach ((string name, (string type, long[] shape, long bytes)) in _tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (long dimension in shape)
                    json.WriteNumberValue(dimension);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(start);
                json.WriteNumberValue(start += bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        // Spaces bring the data to a multiple of 8, as the reference implementation does.
        while (header.Length % 8 != 0)
            header.WriteByte((byte)' ');
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        _stream.Write(length);
        header.WriteTo(_stream);
        _next = 0;
    }
}
