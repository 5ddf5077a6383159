using System.Text;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>Writes GGUF byte by byte, so that a test can lie anywhere.</summary>
internal sealed class RawGguf
{
    private readonly MemoryStream _stream = new();
    private readonly BinaryWriter _writer;

    public RawGguf(uint version = 3, ulong tensors = 0, ulong keys = 0, string magic = "GGUF")
    {
        _writer = new(_stream);
        _writer.Write(Encoding.ASCII.GetBytes(magic));
        _writer.Write(version);
        _writer.Write(tensors);
        _writer.Write(keys);
    }

    public RawGguf U8(byte value) { _writer.Write(value); return this; }

    public RawGguf U32(uint value) { _writer.Write(value); return this; }

    public RawGguf U64(ulong value) { _writer.Write(value); return this; }

    public RawGguf Text(string value)
    {
        _writer.Write((ulong)Encoding.UTF8.GetByteCount(value));
        _writer.Write(Encoding.UTF8.GetBytes(value));
        return this;
    }

    public RawGguf Key(string key, MetadataType type) => Text(key).U32((uint)type);

    public RawGguf Tensor(string name, uint type, ulong offset, params ulong[] shape)
    {
        Text(name).U32((uint)shape.Length);
        foreach (ulong dimension in shape)
            U64(dimension);
        return U32(type).U64(offset);
    }

    /// <summary>Pads to 32 and appends zeros.</summary>
    public RawGguf Data(int bytes)
    {
        _writer.Write(new byte[(-_stream.Length & 31) + bytes]);
        return this;
    }

    public byte[] ToArray() => _stream.ToArray();

    public (Metadata Metadata, OrderedDictionary<string, TensorInfo> Tensors) Read() => Read(ToArray());

    public static (Metadata Metadata, OrderedDictionary<string, TensorInfo> Tensors) Read(ReadOnlySpan<byte> file) =>
        GgufReader.Read(InMemory("raw.gguf", file));

    public static MappedFile InMemory(string path, ReadOnlySpan<byte> contents)
    {
        MappedFile file = MappedFile.InMemory(path, contents.Length, out Span<byte> bytes);
        contents.CopyTo(bytes);
        return file;
    }
}
