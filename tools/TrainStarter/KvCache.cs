using static TorchSharp.torch;

namespace Sluice.TrainStarter;

/// <summary>Keys and values of a batch of sequences that are as long as each other.</summary>
internal sealed class KvCache : IDisposable
{
    private readonly Tensor[] _keys, _values; // [batch, kvHeads, context, headWidth]

    public KvCache(LlamaShape shape, int batch)
    {
        long[] size = [batch, shape.KvHeads, shape.Context, shape.HeadWidth];
        _keys = [.. Enumerable.Range(0, shape.Layers).Select(_ => zeros(size).DetachFromDisposeScope())];
        _values = [.. Enumerable.Range(0, shape.Layers).Select(_ => zeros(size).DetachFromDisposeScope())];
    }

    /// <summary>How many tokens of each sequence are in the cache.</summary>
    public int Length { get; private set; }

    /// <summary>Adds a layer's keys and values and returns those of the whole sequence.</summary>
    public (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        long time = keys.shape[2];
        _keys[layer].narrow(2, Length, time).copy_(keys);
        _values[layer].narrow(2, Length, time).copy_(values);
        return (_keys[layer].narrow(2, 0, Length + time), _values[layer].narrow(2, 0, Length + time));
    }

    public void Advance(int tokens) => Length += tokens;

    public void Dispose()
    {
        foreach (Tensor tensor in _keys.Concat(_values)) tensor.Dispose();
    }
}
