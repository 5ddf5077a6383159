using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>A feed-forward layer of which each token uses a few of many (Shazeer et al. 2017), and perhaps one that all share.</summary>
internal sealed class MixtureOfExperts : IFeedForward
{
    private static readonly Router One = new(1, Gating.Sigmoid);

    private readonly Ops _ops;
    private readonly Weight _router, _gateUp, _down;
    private readonly Weight? _sharedGate;
    private readonly Tensor _routerBias, _gateUpBias, _downBias;
    private readonly GatedFeedForward? _shared;
    private readonly Router _routing;
    private readonly Activation _activation;
    private readonly int _width;

    /// <summary>Loads a layer's experts.</summary>
    /// <param name="loader">The model's tensors.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="width">An expert's inner width.</param>
    /// <param name="routing">How experts are chosen.</param>
    /// <param name="activation">Of the gates.</param>
    /// <param name="sharedWidth">The inner width of the expert that all tokens use; 0 for none.</param>
    public MixtureOfExperts(ModelLoader loader, int layer, int width, Router routing, Activation activation, int sharedWidth = 0)
    {
        (int embedding, int experts) = (loader.Config.Embedding, loader.Config.Experts);
        if (routing.Used <= 0 || routing.Used > experts)
            throw loader.Config.Wrong("expert_used_count", routing.Used);
        string prefix = $"blk.{layer}.ffn_";
        (_ops, _width, _activation) = (loader.Ops, width, activation);
        _router = loader.Matrix(prefix + "gate_inp.weight", embedding, experts);
        _routerBias = loader.OptionalVector(prefix + "gate_inp.bias", experts);
        _gateUp = loader.Experts(embedding, experts, (prefix + "gate_exps.weight", width), (prefix + "up_exps.weight", width));
        _down = loader.Experts(width, experts, (prefix + "down_exps.weight", embedding));
        if (loader.Has(prefix + "gate_exps.bias"))
            _gateUpBias = SideBySide(loader, experts, width, prefix + "gate_exps.bias", prefix + "up_exps.bias");
        if (loader.Has(prefix + "down_exps.bias"))
            _downBias = loader.Table(prefix + "down_exps.bias", embedding, experts);
        _routing = routing with { ChoiceBias = loader.OptionalVector($"blk.{layer}.exp_probs_b.bias", experts) };
        if (sharedWidth > 0)
            _shared = new GatedFeedForward(loader, $"blk.{layer}.ffn", sharedWidth, activation, "_shexp");
        if (sharedWidth > 0 && loader.Has(prefix + "gate_inp_shexp.weight"))
            _sharedGate = loader.Matrix(prefix + "gate_inp_shexp.weight", embedding, 1);
    }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x)
    {
        Routing chosen = _ops.Route(_ops.Linear(x, _router, _routerBias), _routing);
        Tensor gateUp = _ops.ExpertLinear(x, _gateUp, chosen, _gateUpBias);      // [tokens * used, 2 * width]
        Tensor inner = _ops.Gate(_activation, gateUp.ColumnRange(0, _width), gateUp.ColumnRange(_width, _width));
        Tensor output = _ops.Combine(_ops.ExpertLinear(inner, _down, chosen, _downBias), chosen);
        if (_shared is not null)
            _ops.Add(output, Shared(x, _shared.Forward(x)));
        return output;
    }

    // A gate of its own makes the shared expert a mixture of one (Qwen 2).
    private Tensor Shared(Tensor x, Tensor y) => _sharedGate is null ? y : _ops.Combine(y, _ops.Route(_ops.Linear(x, _sharedGate), One));

    /// <summary>Two tables of a row for each expert as one [experts, 2 * width].</summary>
    private static Tensor SideBySide(ModelLoader loader, int experts, int width, string left, string right)
    {
        Tensor a = loader.Table(left, width, experts), b = loader.Table(right, width, experts);
        float[] values = new float[experts * 2 * width];
        for (int e = 0; e < experts; e++)
        {
            a[e].CopyTo(values.AsSpan(e * 2 * width));
            b[e].CopyTo(values.AsSpan((e * 2 * width) + width));
        }
        return loader.Ops.LoadVector(values).Reshape(experts, 2 * width);
    }
}
