using System.Runtime.InteropServices;

namespace Sluice.Tensors.Memory;

/// <summary>
/// Zeroed memory from the system. Large regions on Linux are mapped on their own, aligned to 2 MiB and advised to be huge
/// pages, since a decode step touches every page of the weights and would otherwise live in TLB misses.
/// </summary>
internal static unsafe partial class Pages
{
    private const long HugePage = 2 << 20;
    private const int ProtRead = 1, ProtWrite = 2, MapPrivate = 2, MapAnonymous = 0x20, AdviseHugePage = 14;

    public static byte* Allocate(long length)
    {
        if (length == 0)
            return null;
        if (!OperatingSystem.IsLinux() || length < HugePage)
        {
            byte* small = (byte*)NativeMemory.AlignedAlloc(checked((nuint)length), NativeBuffer.Alignment);
            NativeMemory.Clear(small, (nuint)length);
            return small;
        }
        // Map one huge page more than asked for, and give the unaligned ends back.
        long rounded = RoundUp(length);
        nint mapped = MemoryMap(0, (nuint)(rounded + HugePage), ProtRead | ProtWrite, MapPrivate | MapAnonymous, -1, 0);
        if (mapped == -1)
            throw new OutOfMemoryException($"The system refused {length:N0} bytes.");
        nint aligned = (nint)RoundUp(mapped);
        nint head = aligned - mapped, tail = (nint)HugePage - head;
        if (head > 0)
            MemoryUnmap(mapped, (nuint)head);
        if (tail > 0)
            MemoryUnmap(aligned + (nint)rounded, (nuint)tail);
        MemoryAdvise(aligned, (nuint)rounded, AdviseHugePage); // advice: a system without huge pages ignores it
        return (byte*)aligned;
    }

    public static void Free(byte* pointer, long length)
    {
        if (!OperatingSystem.IsLinux() || length < HugePage)
            NativeMemory.AlignedFree(pointer);
        else
            MemoryUnmap((nint)pointer, (nuint)RoundUp(length));
    }

    private static long RoundUp(long value) => checked(value + HugePage - 1) & ~(HugePage - 1);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MemoryUnmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(nint address, nuint length, int advice);
}
