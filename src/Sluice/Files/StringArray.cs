using System.Buffers.Binary;
using System.Collections;
using System.Runtime.CompilerServices;
using System.Text;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// The strings of a metadata array, each decoded when it is asked for (and again when it is asked for again): a vocabulary of
/// 128k strings costs one offset each. Readable while its <see cref="ModelFile"/> is not disposed.
/// </summary>
public sealed class StringArray : IReadOnlyList<string>
{
    private readonly MappedBytes _bytes;

    // String i lies between _ends[i - 1] plus the eight bytes of its length, and _ends[i].
    private readonly int[] _ends;

    internal StringArray(MetadataArray array)
    {
        if (array.Bytes.Length > int.MaxValue)
            throw new InvalidDataException($"an array of strings is larger than 2 GiB ({array.Bytes.Length} bytes)");
        _bytes = array.Bytes;
        _ends = new int[array.Count];
        FindEnds(_bytes.Span(), _ends);
    }

    // The reader has checked the lengths already, so that sums stay within the bytes.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FindEnds(ReadOnlySpan<byte> bytes, Span<int> ends)
    {
        int end = 0;
        for (int i = 0; i < ends.Length; i++)
        {
            end = checked(end + sizeof(ulong) + (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes[end..]));
            ends[i] = end;
        }
    }

    /// <summary>How many strings.</summary>
    public int Count => _ends.Length;

    /// <summary>A string; bytes that are no UTF-8 become U+FFFD (see <see cref="Utf8"/>).</summary>
    public string this[int index] => Encoding.UTF8.GetString(Utf8(index));

    /// <summary>A string's bytes, as they are in the file.</summary>
    public ReadOnlySpan<byte> Utf8(int index)
    {
        int start = (index == 0 ? 0 : _ends[index - 1]) + sizeof(ulong);
        return _bytes.Span(start, _ends[index] - start);
    }

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
