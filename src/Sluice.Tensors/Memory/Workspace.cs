namespace Sluice.Tensors.Memory;

/// <summary>
/// Scratch memory of a forward pass: a stack of allocations that are given back together. It grows while sizes are new, and
/// afterwards allocates nothing.
/// </summary>
internal sealed unsafe class Workspace : IDisposable
{
    private const long MinimumChunk = 1 << 20;
    private readonly List<NativeBuffer> _chunks = [];
    private int _chunk;
    private long _used;

    /// <summary>The bytes held.</summary>
    public long Length { get; private set; }

    /// <summary>The present top of the stack, to hand to <see cref="Release"/>.</summary>
    public (int Chunk, long Used) Mark => (_chunk, _used);

    /// <summary>Gives back everything allocated since the mark.</summary>
    public void Release((int Chunk, long Used) mark) => (_chunk, _used) = mark;

    /// <summary>Uninitialised bytes, aligned to <see cref="NativeBuffer.Alignment"/>.</summary>
    public byte* Allocate(long bytes)
    {
        bytes = checked(bytes + NativeBuffer.Alignment - 1) & ~(NativeBuffer.Alignment - 1L);
        for (; _chunk < _chunks.Count; _chunk++, _used = 0)
        {
            if (_chunks[_chunk].Length - _used < bytes)
                continue;
            byte* result = _chunks[_chunk].Pointer + _used;
            _used += bytes;
            return result;
        }
        // Each new chunk is at least as large as all before it, so that there are few.
        NativeBuffer added = new(Math.Max(bytes, Math.Max(MinimumChunk, Length)));
        _chunks.Add(added);
        Length += added.Length;
        _used = bytes;
        return added.Pointer;
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in _chunks)
            buffer.Dispose();
        _chunks.Clear();
        (Length, _chunk, _used) = (0, 0, 0);
    }
}
