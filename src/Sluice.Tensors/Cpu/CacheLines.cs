using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Cpu;

/// <summary>Hints to fetch memory that will be read soon.</summary>
internal static unsafe class CacheLines
{
    private const int Line = 64;

    /// <summary>Begins to fetch some bytes; nothing where the processor has no such instruction in .NET, or at a null address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* from, int bytes)
    {
        if (!Sse.IsSupported || from is null)
            return;
        for (int at = 0; at < bytes; at += Line)
            Sse.Prefetch0(from + at);
    }
}
