using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>A thread's room for the panel it works on.</summary>
internal sealed unsafe class WorkerScratch : IDisposable
{
    /// <summary>Columns that are unpacked at a time, at most.</summary>
    public const int Columns = 1024;

    private const int CodeBytes = Columns * Panels.Height;
    private const int ScaleBytes = Columns / IntegerPanels.Group * 4 * Panels.Height * sizeof(float);
    private const int ValueBytes = Columns * Panels.Height * sizeof(float);
    private readonly NativeBuffer buffer = new(CodeBytes + ScaleBytes + ValueBytes + LinearJob.MaxSegment * Panels.Height * sizeof(float));

    public byte* Codes => buffer.Pointer;

    public float* Scales => (float*)(buffer.Pointer + CodeBytes);

    public float* Values => (float*)(buffer.Pointer + CodeBytes + ScaleBytes);

    public float* Sums => (float*)(buffer.Pointer + CodeBytes + ScaleBytes + ValueBytes);

    public void Dispose() => buffer.Dispose();
}
