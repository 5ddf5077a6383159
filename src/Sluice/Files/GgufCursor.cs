using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// Reads GGUF's little-endian primitives one after another, each only if it lies within the bytes. Arrays are checked element by
/// element but not decoded.
/// </summary>
internal ref struct GgufCursor(MappedBytes bytes, string source)
{
    /// <summary>How deep arrays may nest: nothing real goes beyond two, and a chain of headers must not end the stack.</summary>
    public const int MaxDepth = 8;

    private readonly MappedBytes _bytes = bytes;
    private readonly string _source = source;
    private string _what = "";
    private string _key = "";

    /// <summary>Where the next value begins.</summary>
    public long Position { get; private set; }

    /// <summary>How many bytes are left.</summary>
    public readonly long Remaining => _bytes.Length - Position;

    /// <summary>Says what is being read, for errors: <c>metadata key</c> and its name, for example.</summary>
    public void Describe(string what, string key) => (_what, _key) = (what, key);

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    /// <summary>A count of things of at least <paramref name="minimum"/> bytes each: no more than the file can hold.</summary>
    public long Count(int minimum)
    {
        ulong count = UInt64();
        return count <= (ulong)(Remaining / minimum)
            ? (long)count
            : throw Error($"the count {count} is more than the file's remaining {Remaining} bytes can hold");
    }

    /// <summary>A string's bytes.</summary>
    public ReadOnlySpan<byte> String()
    {
        ulong length = UInt64();
        return length <= (ulong)Math.Min(Remaining, int.MaxValue)
            ? Take((int)length)
            : throw Error($"a string of {length} bytes goes past the end of the file");
    }

    /// <summary>A string.</summary>
    public string Text() => Encoding.UTF8.GetString(String());

    /// <summary>A metadata value after its type.</summary>
    public MetadataValue Value(MetadataType type) => type switch
    {
        MetadataType.String => Text(),
        MetadataType.Array => Array(depth: 0),
        _ when type.Size() > 0 => new MetadataValue(MetadataScalar.Read(type, Take(type.Size()))),
        _ => throw Error($"metadata values of type {(uint)type} do not exist"),
    };

    /// <summary>An array: checked to its end, but left as it is.</summary>
    public MetadataArray Array(int depth)
    {
        (MetadataType type, long count) = ArrayHeader(depth);
        long start = Position;
        SkipElements(type, count, depth);
        return new MetadataArray(type, count, _bytes.Slice(start, Position - start));
    }

    private (MetadataType Type, long Count) ArrayHeader(int depth)
    {
        if (depth >= MaxDepth)
            throw Error($"arrays nest deeper than {MaxDepth}");
        MetadataType type = (MetadataType)UInt32();
        int minimum = type switch
        {
            MetadataType.String => sizeof(ulong),
            MetadataType.Array => sizeof(uint) + sizeof(ulong),
            _ when type.Size() > 0 => type.Size(),
            _ => throw Error($"metadata values of type {(uint)type} do not exist"),
        };
        return (type, Count(minimum));
    }

    private void SkipElements(MetadataType type, long count, int depth)
    {
        if (type.Size() > 0)
        {
            Position += count * type.Size();
            return;
        }
        if (type is MetadataType.String)
        {
            SkipStrings(count);
            return;
        }
        for (long i = 0; i < count; i++)
        {
            (MetadataType innerType, long innerCount) = ArrayHeader(depth + 1);
            SkipElements(innerType, innerCount, depth + 1);
        }
    }

    // A vocabulary has some 300,000 strings, and a program opens one file: the loop is compiled well at once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void SkipStrings(long count)
    {
        while (count > 0)
        {
            ReadOnlySpan<byte> rest = _bytes.Span(Position, (int)Math.Min(Remaining, int.MaxValue));
            int used = 0;
            while (count > 0 && rest.Length - used >= sizeof(ulong))
            {
                ulong length = BinaryPrimitives.ReadUInt64LittleEndian(rest[used..]);
                if (length > (ulong)(rest.Length - used - sizeof(ulong)))
                    break;
                used += sizeof(ulong) + (int)length;
                count--;
            }
            Position += used;
            // One that this span does not hold: the next span may, or this throws.
            if (count-- > 0)
                String();
        }
    }

    public readonly InvalidDataException Error(string problem) =>
        new(_key.Length == 0 ? $"{_source}: {problem}." : $"{_source}: {_what} '{_key}': {problem}.");

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > Remaining)
            throw Error($"the file ends at byte {_bytes.Length}, within this");
        ReadOnlySpan<byte> span = _bytes.Span(Position, count);
        Position += count;
        return span;
    }
}
