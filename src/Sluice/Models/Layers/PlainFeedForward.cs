using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>The first transformers' feed-forward layer: down(activation(up(x))), with biases.</summary>
internal sealed class PlainFeedForward : IFeedForward
{
    private readonly Ops _ops;
    private readonly Weight _up, _down;
    private readonly Tensor _upBias, _downBias;
    private readonly Activation _activation;

    /// <summary>Loads a layer's.</summary>
    public PlainFeedForward(ModelLoader loader, int layer, Activation activation)
    {
        (int embedding, int width) = (loader.Config.Embedding, loader.Config.FeedForward);
        (_ops, _activation) = (loader.Ops, activation);
        _up = loader.Matrix($"blk.{layer}.ffn_up.weight", embedding, width);
        _upBias = loader.OptionalVector($"blk.{layer}.ffn_up.bias", width);
        _down = loader.Matrix($"blk.{layer}.ffn_down.weight", width, embedding);
        _downBias = loader.OptionalVector($"blk.{layer}.ffn_down.bias", embedding);
    }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x)
    {
        Tensor inner = _ops.Linear(x, _up, _upBias); // [tokens, width]
        _ops.Activate(_activation, inner);
        return _ops.Linear(inner, _down, _downBias);
    }
}
