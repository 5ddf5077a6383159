using Sluice.Tensors.Cpu;

namespace Sluice.Tensors;

/// <summary>
/// Operations that show the inputs of every linear map to an observer before they are multiplied, rotated where its weights are those of rotated
/// inputs, so that any model is calibrated with no code of its own. What is computed is the same.
/// </summary>
/// <param name="inner">What does the work, owned from now on.</param>
/// <param name="observe">Told of every linear map, on the thread that runs the model.</param>
public sealed class ObservingOps(Ops inner, InputObserver observe) : DelegatingOps(inner)
{
    private readonly Dictionary<Weight, (string[] Names, bool IsRotated)> _known = [];

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts)
    {
        Weight weight = Inner.LoadWeight(parts);
        string[] names = new string[parts.Length];
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = parts[i].Name;
            if (parts[i].RotatesInputs != parts[0].RotatesInputs)
                throw new NotSupportedException($"{weight.Name}: some parts have rotated inputs, and some do not.");
        }
        _known.Add(weight, (names, parts[0].RotatesInputs));
        return weight;
    }

    /// <inheritdoc/>
    public override void Unload(Weight weight)
    {
        _known.Remove(weight);
        Inner.Unload(weight);
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default)
    {
        Observe(weight, x, default);
        return Inner.Linear(x, weight, bias);
    }

    /// <inheritdoc/>
    protected override Tensor MultiplyGated(Activation activation, Tensor x, Weight weight)
    {
        Observe(weight, x, default);
        return Inner.GatedLinear(activation, x, weight);
    }

    /// <inheritdoc/>
    public override Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default)
    {
        Observe(weight, x, routing);
        return Inner.ExpertLinear(x, weight, routing, bias);
    }

    private void Observe(Weight weight, Tensor x, Routing routing)
    {
        (string[] names, bool isRotated) = _known[weight];
        using ScratchScope scope = Scratch();
        if (isRotated)
        {
            Tensor rotated = Allocate(x.Rows, x.Columns);
            Copy(x, rotated);
            for (int row = 0; row < rotated.Rows; row++)
                Hadamard.Rotate(rotated[row]);
            x = rotated;
        }
        observe(new LinearInputs(weight, names, x, routing, isRotated));
    }
}

/// <summary>Looks at the inputs of a linear map, which are valid during the call alone.</summary>
public delegate void InputObserver(in LinearInputs inputs);

/// <summary>What a linear map is about to multiply.</summary>
public readonly ref struct LinearInputs
{
    private readonly Routing _routing;
    private readonly bool _isRotated;

    internal LinearInputs(Weight weight, IReadOnlyList<string> names, Tensor x, Routing routing, bool isRotated)
    {
        (Weight, Names, X) = (weight, names, x);
        (_routing, _isRotated) = (routing, isRotated);
    }

    /// <summary>The weight, which may join several stored tensors.</summary>
    public Weight Weight { get; }

    /// <summary>The stored tensors' names, as <c>blk.0.attn_q.weight</c>: all of them meet these inputs.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The inputs [rows, weight.Columns]: a row for each token, or for each (token, chosen expert) pair.</summary>
    public Tensor X { get; }

    /// <summary>What the map makes of other inputs of the same shape, without a bias.</summary>
    /// <param name="ops">What computes it: those that the observer is around.</param>
    /// <param name="x">The inputs.</param>
    public Tensor Apply(Ops ops, Tensor x)
    {
        if (_isRotated)
        {
            Tensor plain = ops.Allocate(x.Rows, x.Columns);
            ops.Copy(x, plain);
            for (int row = 0; row < plain.Rows; row++)
                Hadamard.RotateBack(plain[row]);
            x = plain;
        }
        return _routing.Weights.IsEmpty ? ops.Linear(x, Weight) : ops.ExpertLinear(x, Weight, _routing);
    }

    /// <summary>The matrices of the weight that a row of <see cref="X"/> goes through: 0 alone where there are no experts.</summary>
    public ReadOnlySpan<int> Experts(int row)
    {
        if (_routing.Weights.IsEmpty)
            return [0];
        return X.Rows == _routing.Rows ? _routing[row] : _routing[row / _routing.Used].Slice(row % _routing.Used, 1);
    }
}
