using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>A thread's room for the two panels it works on: each kind of data of the first, then of the second.</summary>
internal sealed unsafe class WorkerScratch : IDisposable
{
    /// <summary>Columns that are unpacked at a time, at most.</summary>
    public const int Columns = 512;

    /// <summary>Tokens whose sums there is room for: the usual 512 in whole tiles.</summary>
    public const int Tokens = 516;

    // Bytes from a panel's data to the other's. A cache line more than what is used, so that the two do not share cache sets.
    public const int CodeBytes = Columns * Panels.Height + 64;
    public const int ScaleBytes = Columns / IntegerPanels.Group * 4 * Panels.Height * sizeof(float) + 64;
    public const int ValueBytes = Columns * Panels.Height * sizeof(float) + 64;
    public const int SumBytes = Tokens * Panels.Height * sizeof(float) + 64;

    private readonly NativeBuffer buffer = new(2 * (CodeBytes + ScaleBytes + ValueBytes + SumBytes));

    public WorkerScratch()
    {
        Codes = buffer.Pointer;
        Scales = (float*)(Codes + 2 * CodeBytes);
        Values = (float*)((byte*)Scales + 2 * ScaleBytes);
        Sums = (float*)((byte*)Values + 2 * ValueBytes);
    }

    public byte* Codes { get; }

    public float* Scales { get; }

    public float* Values { get; }

    public float* Sums { get; }

    public void Dispose() => buffer.Dispose();
}
