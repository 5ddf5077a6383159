using Sluice.Tensors.Memory;

namespace Sluice.Tensors.KvFormats;

/// <summary>
/// Recurrent state of state-space layers: for each of <see cref="Slots"/> sequences and each layer, a fixed number of floats.
/// </summary>
public sealed unsafe class StateStore : IDisposable
{
    private readonly NativeBuffer _buffer;
    private readonly int _layers, _floats;

    /// <summary>Allocates the states of <paramref name="slots"/> sequences.</summary>
    public StateStore(int slots, int layers, int floatsPerLayer)
    {
        (Slots, _layers, _floats) = (slots, layers, floatsPerLayer);
        _buffer = new NativeBuffer(checked((long)slots * layers * floatsPerLayer * sizeof(float)));
    }

    /// <summary>The sequences it has room for.</summary>
    public int Slots { get; }

    /// <summary>The state of one kind (as the convolution's or the scan's) in a layer: <paramref name="count"/> floats from <paramref name="start"/>.</summary>
    public StateLayer Layer(int index, int start, int count)
    {
        if ((uint)index >= (uint)_layers || start < 0 || count < 0 || start > _floats - count)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"{count} floats from {start} of {_floats}, in {_layers} layers.");
        return new StateLayer(this, index, start, count);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose() => _buffer.Dispose();

    internal float* State(StateLayer layer, int slot) => (uint)slot < (uint)Slots
        ? (float*)_buffer.Pointer + ((long)slot * _layers + layer.Index) * _floats + layer.Start
        : throw new ArgumentOutOfRangeException(nameof(slot), slot, $"The store has {Slots} slots.");
}

/// <summary>A layer's part of a <see cref="StateStore"/>.</summary>
public readonly record struct StateLayer(StateStore Store, int Index, int Start, int Count);
