namespace Sluice.Tensors.Memory;

/// <summary>
/// Zeroed native memory aligned to 64 bytes (a cache line and a 512-bit vector), freed on dispose. Live bytes are counted so
/// that a test notices a buffer that never came home.
/// </summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    /// <summary>Every buffer starts at a multiple of this many bytes.</summary>
    public const int Alignment = 64;

    private static long _liveBytes;
    private byte* _pointer;

    /// <summary>Allocates <paramref name="length"/> zeroed bytes.</summary>
    /// <exception cref="OutOfMemoryException">The system has no such memory.</exception>
    public NativeBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        _pointer = Pages.Allocate(length);
        Interlocked.Add(ref _liveBytes, length);
    }

    /// <summary>A buffer that was forgotten is freed when collected.</summary>
    ~NativeBuffer() => Dispose();

    /// <summary>The bytes of all buffers that are allocated and not disposed.</summary>
    public static long LiveBytes => Interlocked.Read(ref _liveBytes);

    /// <summary>Bytes.</summary>
    public long Length { get; }

    internal byte* Pointer =>
        _pointer is not null || Length == 0 ? _pointer : throw new ObjectDisposedException(nameof(NativeBuffer));

    /// <summary>A part of the buffer.</summary>
    public Span<byte> Span(long offset, int length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes there of {Length}.");
        return new Span<byte>(Pointer + offset, length);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        if (_pointer is null)
            return;
        Pages.Free(_pointer, Length);
        _pointer = null;
        Interlocked.Add(ref _liveBytes, -Length);
        GC.SuppressFinalize(this);
    }
}
