using System.Runtime.InteropServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Machine code that was assembled at run time. Its pages are written first and made executable afterwards, never both at
/// once. They are kept for as long as the process lives: there are few, and code must not vanish under a thread.
/// </summary>
internal static unsafe partial class ExecutableMemory
{
    private const int ProtRead = 1, ProtWrite = 2, ProtExecute = 4, MapPrivate = 2, MapAnonymous = 0x20;
    private const uint Commit = 0x1000, Reserve = 0x2000, PageReadWrite = 4, PageExecuteRead = 0x20;

    /// <summary>Whether machine code can be made here at all.</summary>
    public static bool IsSupported { get; } = (OperatingSystem.IsLinux() || OperatingSystem.IsWindows()) && Probe();

    /// <summary>Copies code to where it can run.</summary>
    /// <exception cref="PlatformNotSupportedException">The system allows no such pages.</exception>
    public static nint Load(ReadOnlySpan<byte> code)
    {
        nuint length = (nuint)code.Length;
        nint pages = OperatingSystem.IsWindows()
            ? VirtualAlloc(0, length, Commit | Reserve, PageReadWrite)
            : MemoryMap(0, length, ProtRead | ProtWrite, MapPrivate | MapAnonymous, -1, 0);
        if (pages is 0 or -1)
            throw new PlatformNotSupportedException("The system gave no memory for machine code.");
        code.CopyTo(new Span<byte>((void*)pages, code.Length));
        bool done = OperatingSystem.IsWindows()
            ? VirtualProtect(pages, length, PageExecuteRead, out _) != 0
            : MemoryProtect(pages, length, ProtRead | ProtExecute) == 0;
        return done ? pages : throw new PlatformNotSupportedException("The system does not let written memory be executed.");
    }

    private static bool Probe()
    {
        try
        {
            Load([0xC3]); // ret
            return true;
        }
        catch (PlatformNotSupportedException)
        {
            return false; // a hardened system: the other kernels do
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MemoryProtect(nint address, nuint length, int protection);

    [LibraryImport("kernel32")]
    private static partial nint VirtualAlloc(nint address, nuint length, uint type, uint protection);

    [LibraryImport("kernel32")]
    private static partial int VirtualProtect(nint address, nuint length, uint protection, out uint old);
}
