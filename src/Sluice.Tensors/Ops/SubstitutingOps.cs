namespace Sluice.Tensors;

/// <summary>
/// Operations whose weights can be exchanged for others of the same shape while a model is loaded, and put back: to find out what the model
/// would be with some tensors quantized, without loading it anew for each.
/// </summary>
/// <param name="inner">What does the work, owned from now on.</param>
public sealed class SubstitutingOps(Ops inner) : DelegatingOps(inner)
{
    private readonly List<Exchangeable> _weights = [];
    private readonly Dictionary<string, WeightData> _substitutes = [];

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts)
    {
        Exchangeable weight = new(Inner.LoadWeight(parts), parts.ToArray());
        _weights.Add(weight);
        return weight;
    }

    /// <inheritdoc/>
    public override void Unload(Weight weight)
    {
        Exchangeable own = (Exchangeable)weight;
        if (!_weights.Remove(own))
            return;
        if (own.Now != own.Original)
            Inner.Unload(own.Now);
        Inner.Unload(own.Original);
    }

    /// <summary>Puts other weights in a tensor's place, wherever the model uses it; those that stood there before are put aside or freed.</summary>
    /// <param name="data">The weights, by the name and in the shape of a loaded tensor, in any format.</param>
    public void Substitute(WeightData data)
    {
        _substitutes[data.Name] = data;
        Exchange(data.Name);
    }

    /// <summary>Puts a tensor's own weights back.</summary>
    public void Restore(string name)
    {
        if (_substitutes.Remove(name))
            Exchange(name);
    }

    /// <inheritdoc/>
    public override Tensor Embed(WeightData table, ReadOnlySpan<int> ids) => Inner.Embed(_substitutes.GetValueOrDefault(table.Name, table), ids);

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default) => Inner.Linear(x, ((Exchangeable)weight).Now, bias);

    /// <inheritdoc/>
    protected override Tensor MultiplyGated(Activation activation, Tensor x, Weight weight) =>
        Inner.GatedLinear(activation, x, ((Exchangeable)weight).Now);

    /// <inheritdoc/>
    public override Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default) =>
        Inner.ExpertLinear(x, ((Exchangeable)weight).Now, routing, bias);

    private void Exchange(string name)
    {
        foreach (Exchangeable weight in _weights)
        {
            if (!Array.Exists(weight.Parts, part => part.Name == name))
                continue;
            WeightData[] parts = Array.ConvertAll(weight.Parts, part => _substitutes.GetValueOrDefault(part.Name, part).WithInputsOf(part));
            Weight old = weight.Now;
            weight.Now = Array.Exists(parts, part => _substitutes.ContainsKey(part.Name)) ? Inner.LoadWeight(parts) : weight.Original;
            if (old != weight.Original)
                Inner.Unload(old);
        }
    }

    private sealed class Exchangeable(Weight original, WeightData[] parts)
        : Weight(original.Name, original.Rows, original.Columns, original.Experts, original.Bytes)
    {
        public Weight Original { get; } = original;

        public Weight Now { get; set; } = original;

        public WeightData[] Parts => parts;
    }
}
