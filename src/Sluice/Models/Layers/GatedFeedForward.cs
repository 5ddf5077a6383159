using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>The gated feed-forward layer: down(activation(gate(x)) * up(x)) (Shazeer 2020).</summary>
internal sealed class GatedFeedForward : IFeedForward
{
    private readonly Ops _ops;
    private readonly Weight _gateUp, _down;
    private readonly Norm? _downNorm;
    private readonly Activation _activation;

    /// <summary>Loads <c>PREFIX_gate</c>, <c>_up</c> and <c>_down</c>; an <c>_up</c> of twice the width has the gate in its first half (Phi-3).</summary>
    /// <param name="loader">The model's tensors.</param>
    /// <param name="prefix">As <c>blk.0.ffn</c>.</param>
    /// <param name="width">The inner width.</param>
    /// <param name="activation">Of the gate.</param>
    /// <param name="suffix">What follows the name, as <c>_shexp</c> for a shared expert.</param>
    public GatedFeedForward(ModelLoader loader, string prefix, int width, Activation activation, string suffix = "")
    {
        int embedding = loader.Config.Embedding;
        (string gate, string up, string down) = ($"{prefix}_gate{suffix}.weight", $"{prefix}_up{suffix}.weight", $"{prefix}_down{suffix}.weight");
        (_ops, _activation) = (loader.Ops, activation);
        _gateUp = loader.Has(gate)
            ? loader.Matrix(embedding, (gate, width), (up, width))
            : loader.Matrix(up, embedding, 2 * width);
        _downNorm = Norm.OptionalRms(loader, $"{prefix}_sub_norm{suffix}", width);
        _down = loader.Matrix(down, width, embedding);
    }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x)
    {
        Tensor inner = _ops.GatedLinear(_activation, x, _gateUp); // [tokens, width]
        inner = _downNorm is null ? inner : _downNorm.Forward(inner);
        return _ops.Linear(inner, _down);
    }
}
