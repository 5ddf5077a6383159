namespace Sluice.Tensors.Memory;

/// <summary>
/// Scratch memory of a forward pass: a stack of allocations that are given back together. It grows while sizes are new, and
/// afterwards allocates nothing.
/// </summary>
internal sealed unsafe class Workspace : IDisposable
{
    private const long MinimumChunk = 1 << 20;
    private readonly List<NativeBuffer> chunks = [];
    private int chunk;
    private long used;

    /// <summary>The bytes held.</summary>
    public long Length { get; private set; }

    /// <summary>The present top of the stack, to hand to <see cref="Release"/>.</summary>
    public (int Chunk, long Used) Mark => (chunk, used);

    /// <summary>Gives back everything allocated since the mark.</summary>
    public void Release((int Chunk, long Used) mark) => (chunk, used) = mark;

    /// <summary>Uninitialised bytes, aligned to <see cref="NativeBuffer.Alignment"/>.</summary>
    public byte* Allocate(long bytes)
    {
        bytes = checked(bytes + NativeBuffer.Alignment - 1) & ~(NativeBuffer.Alignment - 1L);
        for (; chunk < chunks.Count; chunk++, used = 0)
        {
            if (chunks[chunk].Length - used < bytes)
                continue;
            byte* result = chunks[chunk].Pointer + used;
            used += bytes;
            return result;
        }
        // Each new chunk is at least as large as all before it, so that there are few.
        NativeBuffer added = new(Math.Max(bytes, Math.Max(MinimumChunk, Length)));
        chunks.Add(added);
        Length += added.Length;
        used = bytes;
        return added.Pointer;
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in chunks)
            buffer.Dispose();
        chunks.Clear();
        (Length, chunk, used) = (0, 0, 0);
    }
}
