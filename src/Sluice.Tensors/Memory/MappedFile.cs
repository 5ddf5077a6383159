using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Memory;

/// <summary>
/// The bytes of a file, mapped read-only, or bytes that were made in memory to stand in for a part of one, or parts of others that
/// read like one. Files may be larger than 2 GiB: hand out parts with <see cref="Slice"/>.
/// </summary>
/// <remarks>
/// Dispose it when nothing uses its bytes any more: spans and pointers into a map are not valid after that. A map that is
/// forgotten stays mapped; it is never pulled away from under a reader. A file that another process shortens while it is
/// mapped ends this process when the missing part is read, as with every memory map.
/// </remarks>
public sealed unsafe partial class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte[]? _buffer;
    private readonly MappedBytes[]? _parts;
    private readonly long[] _ends = []; // of the parts
    private byte* _start;

    private MappedFile(string path, MemoryMappedFile map, long length)
    {
        Path = path;
        Length = length;
        _map = map;
        _view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
    }

    private MappedFile(string path, int length)
    {
        Path = path;
        Length = length;
        // A pinned array: the collector neither moves nor frees it while this object is alive. The slack aligns the start.
        _buffer = GC.AllocateUninitializedArray<byte>(checked(length + BufferAlignment), pinned: true);
        byte* start = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_buffer, 0);
        _start = (byte*)(((nuint)start + BufferAlignment - 1) & ~(nuint)(BufferAlignment - 1));
    }

    private MappedFile(string path, MappedBytes[] parts)
    {
        Path = path;
        _parts = parts;
        _ends = new long[parts.Length];
        for (int i = 0; i < parts.Length; i++)
            _ends[i] = Length += parts[i].Length;
    }

    private const int BufferAlignment = 64;

    /// <summary>The file, for messages.</summary>
    public string Path { get; }

    /// <summary>Its length in bytes.</summary>
    public long Length { get; private set; }

    /// <summary>Whether the bytes are a file's, as opposed to a buffer's.</summary>
    public bool IsMapped => _map is not null;

    /// <summary>Whether it is made of parts of others.</summary>
    internal bool IsJoined => _parts is not null;

    /// <summary>All bytes.</summary>
    public MappedBytes Bytes => new(this, 0, Length);

    /// <summary>Maps a file.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="InvalidDataException">It is empty.</exception>
    public static MappedFile Open(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        long length = stream.Length;
        if (length == 0)
            throw new InvalidDataException($"{path} is empty.");
        MemoryMappedFile map = MemoryMappedFile.CreateFromFile(
            stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        try
        {
            return new MappedFile(path, map, length);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>Makes a buffer that reads like a file.</summary>
    /// <param name="path">What to call it in messages.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="bytes">The buffer to fill (not cleared), before the file is handed on.</param>
    public static MappedFile InMemory(string path, int length, out Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        MappedFile file = new(path, length);
        bytes = file._buffer.AsSpan(file.BufferStart, length);
        return file;
    }

    /// <summary>The same, for a buffer that several threads fill.</summary>
    public static MappedFile InMemory(string path, int length, out Memory<byte> bytes)
    {
        MappedFile file = InMemory(path, length, out Span<byte> _);
        bytes = file._buffer.AsMemory(file.BufferStart, length);
        return file;
    }

    /// <summary>Parts of other files, one after the other, that read like one file. They stay where they are, and keep belonging to theirs.</summary>
    /// <param name="path">What to call it in messages.</param>
    /// <param name="parts">The parts.</param>
    public static MappedFile Join(string path, params ReadOnlySpan<MappedBytes> parts) => new(path, parts.ToArray());

    /// <summary>Bytes of the file. Those of a range over the border of joined parts are a copy.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the file.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        if (_parts is not null)
            return Joined(offset, length) is [var part] ? part.Span() : Copy(offset, length);
        byte* start = Pointer(offset, length);
        // A span of the array keeps the array alive; one made of a pointer would not.
        return _buffer is null ? new(start, length) : _buffer.AsSpan(BufferStart + (int)offset, length);
    }

    /// <summary>A part of the file, which may be larger than a span.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the file.</exception>
    public MappedBytes Slice(long offset, long length)
    {
        CheckRange(offset, length);
        return new(this, offset, length);
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose()
    {
        if (_start is null)
            return;
        _start = null;
        _view?.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _map?.Dispose();
    }

    internal byte* Pointer(long offset, long length)
    {
        CheckRange(offset, length);
        if (_parts is not null)
        {
            return Joined(offset, length) is [var part] ? part.Pointer
                : throw new InvalidOperationException($"{Path}: bytes {offset} to {offset + length} do not lie in one place.");
        }
        ObjectDisposedException.ThrowIf(_start is null, this);
        return _start + offset;
    }

    /// <summary>
    /// Tells the system that the pages within a range will not be read again soon, so that they stop counting as resident
    /// memory; reading them still works. Nothing happens for a buffer, or where the system has no such call.
    /// </summary>
    internal void Release(long offset, long length)
    {
        if (_parts is not null)
        {
            Joined(offset, length).ForEach(part => part.Release());
            return;
        }
        // Only whole pages: the neighbours of a range are somebody else's.
        long page = Environment.SystemPageSize;
        long first = (offset + page - 1) / page * page;
        long end = offset + length == Length ? Length : (offset + length) / page * page;
        Advise(first, end - first, DontNeed);
    }

    /// <summary>Tells the system that a range will be read soon, so that it reads ahead.</summary>
    internal void WillNeed(long offset, long length)
    {
        if (_parts is not null)
        {
            Joined(offset, length).ForEach(part => part.WillNeed());
            return;
        }
        long first = offset / Environment.SystemPageSize * Environment.SystemPageSize;
        Advise(first, offset + length - first, WillNeedAdvice);
    }

    // Linux's numbers (asm-generic/mman-common.h).
    private const int WillNeedAdvice = 3, DontNeed = 4;

    private int BufferStart => (int)(_start - (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_buffer!, 0));

    /// <summary>The pieces of joined parts that a range is made of.</summary>
    private List<MappedBytes> Joined(long offset, long length)
    {
        CheckRange(offset, length);
        List<MappedBytes> pieces = [];
        int at = Array.BinarySearch(_ends, offset);
        for (at = at < 0 ? ~at : at + 1; length > 0; at++)
        {
            long start = offset - (_ends[at] - _parts![at].Length), count = Math.Min(length, _parts[at].Length - start);
            if (count > 0)
                pieces.Add(_parts[at].Slice(start, count));
            (offset, length) = (offset + count, length - count);
        }
        return pieces;
    }

    private byte[] Copy(long offset, int length)
    {
        byte[] copy = new byte[length];
        int written = 0;
        foreach (MappedBytes piece in Joined(offset, length))
        {
            piece.Span().CopyTo(copy.AsSpan(written));
            written += (int)piece.Length;
        }
        return copy;
    }

    private void Advise(long offset, long length, int advice)
    {
        // A buffer's pages hold the only copy: DontNeed would lose it. Advice that the system refuses costs nothing but speed.
        if (length > 0 && IsMapped && OperatingSystem.IsLinux())
            _ = MemoryAdvise((nint)Pointer(offset, length), (nuint)length, advice);
    }

    private void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
        {
            throw new ArgumentOutOfRangeException(nameof(offset),
                $"Bytes {offset} to {offset}+{length} are not within {Path}, which has {Length}.");
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(nint address, nuint length, int advice);
}
