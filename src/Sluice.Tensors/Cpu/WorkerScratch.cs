using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// A thread's room for the two panels it works on: each kind of data of the first, then of the second. There is room for the codes of eight, which
/// are unpacked together where weights lie in columns.
/// </summary>
internal sealed unsafe class WorkerScratch : IDisposable
{
    /// <summary>Columns that are unpacked at a time, at most.</summary>
    public const int Columns = 512;

    /// <summary>Tokens whose sums there is room for: the usual 512 in whole tiles.</summary>
    public const int Tokens = 516;

    /// <summary>Pairs of panels whose sums there is room for.</summary>
    public const int Pairs = 4;

    // Bytes from a panel's data to the other's. A cache line more than what is used, so that the two do not share cache sets.
    public const int CodeBytes = Columns * Panels.Height + 64;
    public const int ScaleBytes = Columns / IntegerPanels.Group * 4 * Panels.Height * sizeof(float) + 64;
    public const int ValueBytes = Columns * Panels.Height * sizeof(float) + 64;
    public const int SumBytes = Tokens * Panels.Height * sizeof(float) + 64;

    private readonly NativeBuffer buffer = new((IColumns.BlockPanels * CodeBytes) + 2 * (ScaleBytes + ValueBytes + Pairs * SumBytes) + AmxKernels.RoomBytes);

    public WorkerScratch()
    {
        Codes = buffer.Pointer;
        Scales = (float*)(Codes + IColumns.BlockPanels * CodeBytes);
        Values = (float*)((byte*)Scales + 2 * ScaleBytes);
        Sums = (byte*)Values + 2 * ValueBytes;
        Room = Sums + 2 * Pairs * SumBytes;
    }

    public byte* Codes { get; }

    public float* Scales { get; }

    public float* Values { get; }

    private byte* Sums { get; }

    /// <summary>See <see cref="PairArguments.Room"/>.</summary>
    public byte* Room { get; }

    /// <summary>Sums of a panel of a pair.</summary>
    public float* SumsOf(int pair, int panel) => (float*)(Sums + (2 * pair + panel) * SumBytes);

    public void Dispose() => buffer.Dispose();
}
