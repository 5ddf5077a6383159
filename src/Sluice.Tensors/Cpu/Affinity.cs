using System.Runtime.InteropServices;

namespace Sluice.Tensors.Cpu;

/// <summary>Keeps a thread on one processor.</summary>
internal static unsafe partial class Affinity
{
    private const int MaskBytes = 128; // 1024 processors, as glibc's cpu_set_t

    /// <summary>Whether this system can.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Pins the calling thread to one of the processors that it may use, counted around.</summary>
    /// <returns>The processor; -1 where the system refused, which leaves the thread as it was.</returns>
    public static int Pin(int index)
    {
        byte* mask = stackalloc byte[MaskBytes];
        if (GetAffinity(0, MaskBytes, mask) != 0)
            return -1;
        List<int> allowed = [];
        for (int processor = 0; processor < 8 * MaskBytes; processor++)
        {
            if ((mask[processor / 8] >> (processor % 8) & 1) != 0)
                allowed.Add(processor);
        }
        int chosen = allowed[index % allowed.Count];
        new Span<byte>(mask, MaskBytes).Clear();
        mask[chosen / 8] = (byte)(1 << (chosen % 8));
        return SetAffinity(0, MaskBytes, mask) == 0 ? chosen : -1;
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nuint bytes, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, byte* mask);
}
