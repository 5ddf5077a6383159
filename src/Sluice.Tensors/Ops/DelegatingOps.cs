using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

/// <summary>Operations that another <see cref="Ops"/> does: the base of those that only look at, or change, some of them.</summary>
public abstract class DelegatingOps : Ops
{
    /// <summary>Around other operations, which it owns from now on.</summary>
    protected DelegatingOps(Ops inner) : base(inner) => Inner = inner;

    /// <summary>What does the work.</summary>
    protected Ops Inner { get; }

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts) => Inner.LoadWeight(parts);

    /// <inheritdoc/>
    public override void Unload(Weight weight) => Inner.Unload(weight);

    /// <inheritdoc/>
    public override Tensor Embed(WeightData table, ReadOnlySpan<int> ids) => Inner.Embed(table, ids);

    /// <inheritdoc/>
    public override Tensor Gather(Tensor x, ReadOnlySpan<int> rows) => Inner.Gather(x, rows);

    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon) => Inner.RmsNorm(x, weight, epsilon);

    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon) => Inner.LayerNorm(x, weight, bias, epsilon);

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor y) => Inner.Add(x, y);

    /// <inheritdoc/>
    public override void Scale(Tensor x, float factor) => Inner.Scale(x, factor);

    /// <inheritdoc/>
    public override void SoftCap(Tensor x, float cap) => Inner.SoftCap(x, cap);

    /// <inheritdoc/>
    public override void Activate(Activation activation, Tensor x) => Inner.Activate(activation, x);

    /// <inheritdoc/>
    public override Tensor Gate(Activation activation, Tensor gate, Tensor up) => Inner.Gate(activation, gate, up);

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default) => Inner.Linear(x, weight, bias);

    /// <inheritdoc/>
    protected override Tensor MultiplyGated(Activation activation, Tensor x, Weight weight) => Inner.GatedLinear(activation, x, weight);

    /// <inheritdoc/>
    internal override void AddLowRank(Tensor x, Adapter.Part part, ReadOnlySpan<int> rows, Tensor result) =>
        Inner.AddLowRank(x, part, rows, result);

    /// <inheritdoc/>
    public override Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default) =>
        Inner.ExpertLinear(x, weight, routing, bias);

    /// <inheritdoc/>
    public override Routing Route(Tensor logits, in Router router) => Inner.Route(logits, router);

    /// <inheritdoc/>
    public override Routing RouteToAll(int rows, int experts) => Inner.RouteToAll(rows, experts);

    /// <inheritdoc/>
    public override Tensor Combine(Tensor y, in Routing routing) => Inner.Combine(y, routing);

    /// <inheritdoc/>
    public override Tensor RopeAngles(ReadOnlySpan<int> positions, Tensor frequencies, float magnitude) =>
        Inner.RopeAngles(positions, frequencies, magnitude);

    /// <inheritdoc/>
    public override void Rope(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int start = 0) =>
        Inner.Rope(x, angles, headDimension, pairing, start);

    /// <inheritdoc/>
    public override Tensor Attention(Tensor q, Tensor k, Tensor v, in AttentionSpec attention, KvLayer layer, Batch batch) =>
        Inner.Attention(q, k, v, attention, layer, batch);

    /// <inheritdoc/>
    public override Tensor CausalConv(Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch) =>
        Inner.CausalConv(x, weight, bias, state, batch);

    /// <inheritdoc/>
    public override Tensor SelectiveScan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch) =>
        Inner.SelectiveScan(x, dt, a, b, c, d, state, batch);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        Inner.Dispose();
    }
}
