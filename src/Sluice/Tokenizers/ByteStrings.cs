using System.Text;

namespace Sluice.Tokenizers;

/// <summary>A list of byte strings in one block of memory: a vocabulary of 128k tokens is two arrays, not 128k objects.</summary>
internal sealed class ByteStrings
{
    private byte[] _bytes;
    private int[] _ends;

    public ByteStrings(int capacity = 16) =>
        (_bytes, _ends) = (new byte[(int)Math.Min(capacity * 8L, Array.MaxLength)], new int[Math.Max(capacity, 1)]);

    /// <summary>The UTF-8 bytes of strings.</summary>
    public ByteStrings(IReadOnlyList<string> strings)
        : this(strings.Count)
    {
        for (int i = 0; i < strings.Count; i++)
            Add(strings[i]);
    }

    public int Count { get; private set; }

    public int Longest { get; private set; }

    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count);
            int start = Start(index);
            return _bytes.AsSpan(start, _ends[index] - start);
        }
    }

    /// <summary>A string as text, with U+FFFD for bytes that are no UTF-8.</summary>
    public string Text(int index) => Encoding.UTF8.GetString(this[index]);

    public void Add(ReadOnlySpan<byte> value)
    {
        int start = Start(Count);
        int end = checked(start + value.Length);
        Reserve(end);
        value.CopyTo(_bytes.AsSpan(start));
        Close(end);
    }

    public void Add(string value)
    {
        int start = Start(Count);
        Reserve(checked(start + (value.Length * 3)));
        Close(start + Encoding.UTF8.GetBytes(value, _bytes.AsSpan(start)));
    }

    private int Start(int index) => index == 0 ? 0 : _ends[index - 1];

    private void Reserve(int bytes)
    {
        if (bytes > _bytes.Length)
            Array.Resize(ref _bytes, (int)Math.Min(Math.Max((long)bytes, _bytes.Length * 2L), Array.MaxLength));
    }

    private void Close(int end)
    {
        if (Count == _ends.Length)
            Array.Resize(ref _ends, Count * 2);
        Longest = Math.Max(Longest, end - Start(Count));
        _ends[Count++] = end;
    }
}
