namespace Sluice.Tensors.Memory;

/// <summary>A part of a <see cref="MappedFile"/>, such as a tensor: it may be more than 2 GiB. The default is empty.</summary>
public readonly struct MappedBytes
{
    private readonly MappedFile? _file;
    private readonly long _offset;

    internal MappedBytes(MappedFile file, long offset, long length)
    {
        _file = file;
        _offset = offset;
        Length = length;
    }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>Where the part begins in its file.</summary>
    public long Offset => _offset;

    /// <summary>Whether they are of <see cref="MappedFile.Join">joined</see> parts, which need not lie side by side.</summary>
    internal bool IsJoined => _file is { IsJoined: true };

    /// <summary>All bytes as a span.</summary>
    /// <exception cref="InvalidOperationException">They are more than a span holds: read them in parts.</exception>
    public ReadOnlySpan<byte> Span() => Length <= int.MaxValue
        ? Span(0, (int)Length)
        : throw new InvalidOperationException($"{Length} bytes do not fit in one span.");

    /// <summary>Some of the bytes.</summary>
    /// <param name="offset">Where they begin in this part.</param>
    /// <param name="length">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within this part.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        CheckRange(offset, length);
        return _file is null ? default : _file.Span(_offset + offset, length);
    }

    /// <summary>A part of this part.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within this part.</exception>
    public MappedBytes Slice(long offset, long length)
    {
        CheckRange(offset, length);
        return _file is null ? default : new(_file, _offset + offset, length);
    }

    /// <summary>
    /// Says that these bytes will not be read again soon, as after repacking them: their pages stop counting as resident memory
    /// (Linux; elsewhere nothing happens). Reading them again still works.
    /// </summary>
    public void Release() => _file?.Release(_offset, Length);

    /// <summary>Says that these bytes will be read soon: the system reads ahead (Linux; elsewhere nothing happens).</summary>
    public void WillNeed() => _file?.WillNeed(_offset, Length);

    /// <summary>
    /// The address of the first byte, for kernels: valid while the file is neither disposed nor, for a buffer, collected, so the
    /// caller keeps this value for as long as it uses the pointer. Null when empty.
    /// </summary>
    internal unsafe byte* Pointer => _file is null ? null : _file.Pointer(_offset, Length);

    private void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
        {
            throw new ArgumentOutOfRangeException(nameof(offset),
                $"Bytes {offset} to {offset}+{length} are not within this part, which has {Length}.");
        }
    }
}
