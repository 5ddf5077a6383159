using System.Runtime.InteropServices;

namespace Sluice.Tensors;

/// <summary>
/// Tensors that end at the end of a page which nothing follows (on Unix), so that reading or writing past the last value ends
/// the process. Their start is aligned to a float and no more.
/// </summary>
internal sealed unsafe partial class GuardedTensors : IDisposable
{
    private readonly List<(nint Start, nint Bytes)> _regions = [];

    /// <summary>Values of a normal distribution, times <paramref name="scale"/>.</summary>
    public Tensor Random(Random random, int rows, int columns, float scale = 1)
    {
        Tensor tensor = Create(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in tensor[row])
                value = scale * MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        }
        return tensor;
    }

    /// <summary>A copy of a tensor.</summary>
    public Tensor Copy(Tensor tensor)
    {
        Tensor copy = Create(tensor.Rows, tensor.Columns);
        for (int row = 0; row < tensor.Rows; row++)
            tensor[row].CopyTo(copy[row]);
        return copy;
    }

    /// <summary>Zeros.</summary>
    public Tensor Create(int rows, int columns) => new((float*)Allocate(rows * columns * sizeof(float)), rows, columns, columns);

    /// <summary>Zeroed bytes.</summary>
    public byte* Allocate(int bytes)
    {
        int page = Environment.SystemPageSize;
        nint length = (((bytes + page - 1) / page) + 1) * page;
        if (OperatingSystem.IsWindows())
        {
            nint plain = (nint)NativeMemory.AllocZeroed((nuint)length);
            _regions.Add((plain, length));
            return (byte*)(plain + length - bytes);
        }
        nint start = MemoryMap(0, length, 3, OperatingSystem.IsMacOS() ? 0x1002 : 0x22, -1, 0);
        Assert.NotEqual(-1, start);
        Assert.Equal(0, MemoryProtect(start + length - page, page, 0));
        _regions.Add((start, length));
        return (byte*)(start + length - page - bytes);
    }

    public void Dispose()
    {
        foreach ((nint start, nint bytes) in _regions)
        {
            if (OperatingSystem.IsWindows())
                NativeMemory.Free((void*)start);
            else
                MemoryUnmap(start, bytes);
        }
        _regions.Clear();
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MemoryMap(nint address, nint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MemoryProtect(nint address, nint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MemoryUnmap(nint address, nint length);
}
