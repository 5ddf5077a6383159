using System.Runtime.InteropServices;
using System.Text;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// A metadata array, kept as it lies in a GGUF file and decoded when it is asked for, so that a vocabulary costs nothing until a
/// tokenizer reads it. It is readable while its <see cref="ModelFile"/> is not disposed.
/// </summary>
public sealed class MetadataArray
{
    internal MetadataArray(MetadataType elementType, long count, MappedBytes bytes) =>
        (ElementType, Count, Bytes) = (elementType, count, bytes);

    /// <summary>What kind the elements are. Arrays nest.</summary>
    public MetadataType ElementType { get; }

    /// <summary>How many elements.</summary>
    public long Count { get; }

    /// <summary>
    /// The elements in GGUF's encoding (little-endian, no padding; a string is its length as 64 bits and its UTF-8 bytes; an
    /// inner array is its element type, its count and its elements). Checked when the file was opened.
    /// </summary>
    internal MappedBytes Bytes { get; }

    /// <summary>An array of integers.</summary>
    public static MetadataArray Of(ReadOnlySpan<int> values) => Of(MetadataType.Int32, values);

    /// <summary>An array of floats.</summary>
    public static MetadataArray Of(ReadOnlySpan<float> values) => Of(MetadataType.Float32, values);

    /// <summary>An array of numbers of the C# type that <paramref name="type"/> names (bytes of 0 and 1 for Bool).</summary>
    /// <exception cref="ArgumentException">The sizes differ.</exception>
    public static MetadataArray Of<T>(MetadataType type, ReadOnlySpan<T> values) where T : unmanaged
    {
        ReadOnlySpan<byte> source = MemoryMarshal.AsBytes(values);
        if (source.Length != (long)values.Length * type.Size())
            throw new ArgumentException($"{typeof(T).Name} is not how {type} is stored.", nameof(type));
        MappedFile file = InMemory(source.Length, out Span<byte> bytes);
        source.CopyTo(bytes);
        return new(type, values.Length, file.Bytes);
    }

    /// <summary>An array of strings.</summary>
    public static MetadataArray Of(IReadOnlyList<string> values)
    {
        int length = 0;
        for (int i = 0; i < values.Count; i++)
            length = checked(length + sizeof(ulong) + Encoding.UTF8.GetByteCount(values[i]));
        MappedFile file = InMemory(length, out Span<byte> bytes);
        for (int i = 0; i < values.Count; i++)
        {
            int count = Encoding.UTF8.GetBytes(values[i], bytes[sizeof(ulong)..]);
            MemoryMarshal.Write(bytes, (ulong)count);
            bytes = bytes[(sizeof(ulong) + count)..];
        }
        return new(MetadataType.String, values.Count, file.Bytes);
    }

    /// <summary>An array of arrays.</summary>
    public static MetadataArray Of(IReadOnlyList<MetadataArray> values)
    {
        const int Header = sizeof(uint) + sizeof(ulong);
        int length = 0;
        for (int i = 0; i < values.Count; i++)
            length = checked(length + Header + (int)values[i].Bytes.Length);
        MappedFile file = InMemory(length, out Span<byte> bytes);
        foreach (MetadataArray value in values)
        {
            MemoryMarshal.Write(bytes, value.ElementType);
            MemoryMarshal.Write(bytes[sizeof(uint)..], value.Count);
            value.Bytes.Span().CopyTo(bytes[Header..]);
            bytes = bytes[(Header + (int)value.Bytes.Length)..];
        }
        return new(MetadataType.Array, values.Count, file.Bytes);
    }

    /// <summary>The inner arrays of an array of arrays.</summary>
    /// <exception cref="InvalidOperationException">It is none.</exception>
    public MetadataArray[] Arrays()
    {
        if (ElementType != MetadataType.Array)
            throw new InvalidOperationException($"This is {this}.");
        GgufCursor cursor = new(Bytes, "an array");
        List<MetadataArray> arrays = [];
        for (long i = 0; i < Count; i++)
            arrays.Add(cursor.Array(depth: 0));
        return [.. arrays];
    }

    /// <summary>A scalar element.</summary>
    internal MetadataScalar Scalar(int index) =>
        MetadataScalar.Read(ElementType, Bytes.Span((long)index * ElementType.Size(), ElementType.Size()));

    /// <summary>A short form to show.</summary>
    public override string ToString() => $"array of {Count} {ElementType}";

    private static MappedFile InMemory(int length, out Span<byte> bytes) =>
        MappedFile.InMemory("a metadata array", length, out bytes);
}
