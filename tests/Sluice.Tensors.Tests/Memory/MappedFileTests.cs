namespace Sluice.Tensors.Memory;

public class MappedFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public unsafe void Maps_a_file()
    {
        byte[] contents = Contents(3 * Environment.SystemPageSize + 5);
        File.WriteAllBytes(_path, contents);
        using MappedFile file = MappedFile.Open(_path);
        Assert.True(file.IsMapped);
        Assert.Equal(contents.Length, file.Length);
        Assert.Equal(contents, file.Bytes.Span().ToArray());
        MappedBytes part = file.Slice(7, 4000).Slice(13, 100);
        Assert.Equal(20, part.Offset);
        Assert.Equal(contents.AsSpan(21, 99).ToArray(), part.Span(1, 99).ToArray());
        Assert.Equal(contents[20], *part.Pointer);
    }

    /// <summary>Parts of other files read like one; only what goes over a border is a copy.</summary>
    [Fact]
    public unsafe void Joins_parts()
    {
        byte[] contents = Contents(1000);
        File.WriteAllBytes(_path, contents);
        using MappedFile file = MappedFile.Open(_path);
        MappedBytes joined = MappedFile.Join("joined", file.Slice(500, 100), default, file.Slice(0, 50), file.Slice(900, 100)).Bytes;
        byte[] expected = [.. contents[500..600], .. contents[..50], .. contents[900..]];
        Assert.Equal(expected, joined.Span().ToArray());
        for (int start = 0; start < expected.Length; start += 7)
        {
            for (int length = 0; length <= expected.Length - start; length += 11)
                Assert.Equal(expected[start..(start + length)], joined.Slice(start, length).Span().ToArray());
        }
        Assert.True(joined.Slice(100, 50).Pointer == file.Slice(0, 50).Pointer);
        Assert.True(joined.Slice(160, 5).Pointer == file.Slice(910, 5).Pointer);
        Assert.Throws<InvalidOperationException>(() => { _ = joined.Slice(99, 2).Pointer; });
        Assert.Throws<ArgumentOutOfRangeException>(() => joined.Span(249, 2).Length);
        joined.Release();
        joined.WillNeed();
        Assert.Equal(expected, joined.Span().ToArray());
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => joined.Span(0, 1).Length);
    }

    [Fact]
    public unsafe void Files_may_be_larger_than_a_span()
    {
        const long Size = 5L << 30;
        using (FileStream stream = File.OpenWrite(_path))
        {
            stream.SetLength(Size); // sparse
            stream.Position = Size - 1;
            stream.WriteByte(7);
        }
        using MappedFile file = MappedFile.Open(_path);
        MappedBytes part = file.Slice(100, Size - 100);
        Assert.Equal(7, part.Span(Size - 101, 1)[0]);
        Assert.Equal(7, part.Pointer[Size - 101]);
        Assert.Equal(7, part.Slice(3L << 30, Size - 100 - (3L << 30)).Span()[^1]);
        Assert.Throws<InvalidOperationException>(() => part.Span().Length);
    }

    [Fact]
    public unsafe void A_buffer_reads_like_a_file()
    {
        using MappedFile file = MappedFile.InMemory("made", 1000, out Span<byte> bytes);
        Contents(1000).CopyTo(bytes);
        Assert.False(file.IsMapped);
        Assert.Equal(Contents(1000), file.Bytes.Span().ToArray());
        Assert.Equal(0u, (nuint)file.Bytes.Pointer % 64);
        file.Bytes.Release();
        Assert.Equal(Contents(1000), file.Bytes.Span().ToArray());
        Assert.Equal(Contents(1000)[900], file.Span(900, 1)[0]);
    }

    [Fact]
    public void Ranges_are_checked()
    {
        File.WriteAllBytes(_path, Contents(100));
        using MappedFile file = MappedFile.Open(_path);
        MappedBytes part = file.Slice(10, 20);
        Assert.Equal(0, file.Span(100, 0).Length);
        foreach ((long offset, int length) in ((long, int)[])[(-1, 1), (0, 101), (101, 0), (100, 1), (long.MaxValue, 1), (1, -1)])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => file.Span(offset, length).Length);
            Assert.Throws<ArgumentOutOfRangeException>(() => file.Slice(offset, length));
        }
        foreach ((long offset, int length) in ((long, int)[])[(-1, 1), (0, 21), (21, 0), (20, 1), (long.MaxValue, 1), (1, -1)])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => part.Span(offset, length).Length);
            Assert.Throws<ArgumentOutOfRangeException>(() => part.Slice(offset, length));
        }
        Assert.Equal(0, default(MappedBytes).Span().Length);
    }

    [Fact]
    public void A_disposed_file_is_not_read()
    {
        File.WriteAllBytes(_path, Contents(100));
        MappedFile file = MappedFile.Open(_path);
        MappedBytes bytes = file.Bytes;
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => bytes.Span().Length);
    }

    [Fact]
    public void Empty_and_missing_files_are_refused()
    {
        Assert.Contains(_path, Assert.Throws<InvalidDataException>(() => MappedFile.Open(_path)).Message);
        Assert.Throws<FileNotFoundException>(() => MappedFile.Open(_path + ".absent"));
    }

    [Fact]
    public void Released_pages_stop_being_resident_and_still_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        const int Size = 32 << 20;
        File.WriteAllBytes(_path, Contents(Size));
        using MappedFile file = MappedFile.Open(_path);
        file.Bytes.WillNeed();
        long sum = Sum(file.Bytes.Span());
        Assert.InRange(ResidentBytes(_path), Size, long.MaxValue);

        file.Slice(1000, Size / 2).Release();
        Assert.InRange(ResidentBytes(_path), 0, Size / 2 + (1 << 16));
        file.Bytes.Release();
        Assert.InRange(ResidentBytes(_path), 0, 1 << 16);
        Assert.Equal(sum, Sum(file.Bytes.Span()));
    }

    private static byte[] Contents(int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private static long Sum(ReadOnlySpan<byte> bytes)
    {
        long sum = 0;
        foreach (byte b in bytes)
            sum += b;
        return sum;
    }

    // What of a mapping is resident: the "Rss" line after the mapping's own line.
    private static long ResidentBytes(string path)
    {
        string[] lines = File.ReadAllLines("/proc/self/smaps");
        int mapping = Array.FindIndex(lines, line => line.EndsWith(path, StringComparison.Ordinal));
        string rss = lines.Skip(mapping).First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
        return 1024 * long.Parse(rss.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}
