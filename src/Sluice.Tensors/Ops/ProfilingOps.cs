using System.Diagnostics;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

/// <summary>
/// Operations that count: each is done by another <see cref="Ops"/>, and its time, its bytes and its products are added up, so
/// that any model is measured with no code of its own. What is computed is the same.
/// </summary>
public sealed class ProfilingOps : Ops
{
    private readonly Ops _inner;
    private readonly List<OperationProfile> _operations = [];
    private readonly Dictionary<Weight, LoadedWeight> _weights = [];
    private readonly OperationProfile _embed, _gather, _rmsNorm, _layerNorm, _add, _scale, _softCap, _activate, _gate, _route, _combine,
        _ropeAngles, _rope, _attend, _causalConv, _selectiveScan, _lowRank;
    private bool[] _isUsed = []; // by expert, of one call

    /// <summary>Around other operations, which it owns from now on.</summary>
    public ProfilingOps(Ops inner)
        : base(inner)
    {
        _inner = inner;
        _embed = New(nameof(Embed));
        _gather = New(nameof(Gather));
        _rmsNorm = New(nameof(RmsNorm));
        _layerNorm = New(nameof(LayerNorm));
        _add = New(nameof(Add));
        _scale = New(nameof(Scale));
        _softCap = New(nameof(SoftCap));
        _activate = New(nameof(Activate));
        _gate = New(nameof(Gate));
        _route = New(nameof(Route));
        _combine = New(nameof(Combine));
        _ropeAngles = New(nameof(RopeAngles));
        _rope = New(nameof(Rope));
        _attend = New(nameof(Attention));
        _causalConv = New(nameof(CausalConv));
        _selectiveScan = New(nameof(SelectiveScan));
        _lowRank = New("Adapters");
    }

    /// <summary>The operations that were called since the last <see cref="Reset"/>.</summary>
    public IEnumerable<OperationProfile> Operations => _operations.Where(operation => operation.Calls > 0);

    /// <summary>Counts from zero again.</summary>
    public void Reset()
    {
        foreach (OperationProfile operation in _operations)
            operation.Reset();
    }

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts)
    {
        Weight weight = _inner.LoadWeight(parts);
        int integerRows = 0, bfloat16Rows = 0;
        foreach (WeightData part in parts)
        {
            Product product = Products.Of(part.Format, Activations);
            integerRows += product == Product.Int8 ? part.Rows : 0;
            bfloat16Rows += product == Product.BFloat16 ? part.Rows : 0;
        }
        string name = (parts[0].Experts > 1 ? "ExpertLinear " : "Linear ") + ShortName(parts);
        _weights[weight] = new LoadedWeight(_operations.Find(operation => operation.Name == name) ?? New(name), integerRows, bfloat16Rows);
        if (_isUsed.Length < weight.Experts)
            _isUsed = new bool[weight.Experts];
        return weight;
    }

    /// <inheritdoc/>
    public override void Unload(Weight weight)
    {
        _weights.Remove(weight);
        _inner.Unload(weight);
    }

    /// <inheritdoc/>
    public override Tensor Embed(WeightData table, ReadOnlySpan<int> ids)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.Embed(table, ids);
        _embed.Add(start, ids.Length * table.RowBytes + Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    public override Tensor Gather(Tensor x, ReadOnlySpan<int> rows)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.Gather(x, rows);
        _gather.Add(start, 2 * Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.RmsNorm(x, weight, epsilon);
        _rmsNorm.Add(start, Bytes(x) + Bytes(weight) + Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.LayerNorm(x, weight, bias, epsilon);
        _layerNorm.Add(start, Bytes(x) + Bytes(weight) + Bytes(bias) + Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        _inner.Add(x, y);
        _add.Add(start, 2 * Bytes(x) + Bytes(y));
    }

    /// <inheritdoc/>
    public override void Scale(Tensor x, float factor)
    {
        long start = Stopwatch.GetTimestamp();
        _inner.Scale(x, factor);
        _scale.Add(start, 2 * Bytes(x));
    }

    /// <inheritdoc/>
    public override void SoftCap(Tensor x, float cap)
    {
        long start = Stopwatch.GetTimestamp();
        _inner.SoftCap(x, cap);
        _softCap.Add(start, 2 * Bytes(x));
    }

    /// <inheritdoc/>
    public override void Activate(Activation activation, Tensor x)
    {
        long start = Stopwatch.GetTimestamp();
        _inner.Activate(activation, x);
        _activate.Add(start, 2 * Bytes(x));
    }

    /// <inheritdoc/>
    public override Tensor Gate(Activation activation, Tensor gate, Tensor up)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.Gate(activation, gate, up);
        _gate.Add(start, Bytes(gate) + Bytes(up) + Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.Linear(x, weight, bias);
        long bytes = x.Rows == 0 ? 0 : weight.Bytes + Bytes(bias) + Bytes(x) + Bytes(result);
        AddProducts(weight, start, bytes, x.Rows);
        return result;
    }

    /// <inheritdoc/>
    protected override Tensor MultiplyGated(Activation activation, Tensor x, Weight weight)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.GatedLinear(activation, x, weight);
        AddProducts(weight, start, x.Rows == 0 ? 0 : weight.Bytes + Bytes(x) + Bytes(result), x.Rows);
        return result;
    }

    /// <inheritdoc/>
    internal override void AddLowRank(Tensor x, Adapter.Part part, ReadOnlySpan<int> rows, Tensor result)
    {
        long start = Stopwatch.GetTimestamp();
        _inner.AddLowRank(x, part, rows, result);
        long values = (long)rows.Length * (x.Columns + (2 * part.B.Rows)); // read, and read and written
        long weights = (long)part.A.Rows * (part.A.Columns + part.B.Rows);
        _lowRank.Add(start, sizeof(float) * (values + weights), floatProducts: rows.Length * weights);
    }

    /// <inheritdoc/>
    public override Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.ExpertLinear(x, weight, routing, bias);
        long weightBytes = (weight.Bytes + Bytes(bias)) / weight.Experts * CountUsed(routing);
        AddProducts(weight, start, weightBytes + Bytes(x) + Bytes(result), result.Rows);
        return result;
    }

    /// <inheritdoc/>
    public override Routing Route(Tensor logits, in Router router)
    {
        long start = Stopwatch.GetTimestamp();
        Routing routing = _inner.Route(logits, router);
        _route.Add(start, Bytes(logits) + 2 * Bytes(routing.Weights));
        return routing;
    }

    /// <inheritdoc/>
    public override Routing RouteToAll(int rows, int experts)
    {
        long start = Stopwatch.GetTimestamp();
        Routing routing = _inner.RouteToAll(rows, experts);
        _route.Add(start, 2 * Bytes(routing.Weights));
        return routing;
    }

    /// <inheritdoc/>
    public override Tensor Combine(Tensor y, in Routing routing)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.Combine(y, routing);
        _combine.Add(start, Bytes(y) + Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    public override Tensor RopeAngles(ReadOnlySpan<int> positions, Tensor frequencies, float magnitude)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.RopeAngles(positions, frequencies, magnitude);
        _ropeAngles.Add(start, Bytes(frequencies) + Bytes(result));
        return result;
    }

    /// <inheritdoc/>
    public override void Rope(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int start = 0)
    {
        long begin = Stopwatch.GetTimestamp();
        _inner.Rope(x, angles, headDimension, pairing, start);
        _rope.Add(begin, 2 * Bytes(x) / headDimension * angles.Columns + Bytes(angles));
    }

    /// <inheritdoc/>
    public override Tensor Attention(Tensor q, Tensor k, Tensor v, in AttentionSpec attention, KvLayer layer, Batch batch)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.Attention(q, k, v, attention, layer, batch);
        KvShape shape = layer.Store.Shape;
        long slots = 0, pairs = 0;
        foreach (ref readonly BatchSequence sequence in batch.Sequences)
            slots += sequence.Count == 0 ? 0 : Seen(sequence.Past, attention) + sequence.Count - 1;
        foreach (int position in batch.Positions)
            pairs += Seen(position, attention);
        long slotBytes = KvStore.BlockBytes(layer.Store.Format, shape) / (shape.Layers * KvFormat.BlockSize);
        _attend.Add(
            start, (slots * slotBytes) + Bytes(q) + Bytes(k) + Bytes(v) + Bytes(result),
            floatProducts: pairs * attention.Heads * (shape.KeyDimension + shape.ValueDimension));
        return result;
    }

    /// <inheritdoc/>
    public override Tensor CausalConv(Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.CausalConv(x, weight, bias, state, batch);
        _causalConv.Add(
            start, Bytes(x) + Bytes(weight) + Bytes(bias) + Bytes(state, batch) + Bytes(result),
            floatProducts: (long)x.Rows * weight.Rows * weight.Columns);
        return result;
    }

    /// <inheritdoc/>
    public override Tensor SelectiveScan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch)
    {
        long start = Stopwatch.GetTimestamp();
        Tensor result = _inner.SelectiveScan(x, dt, a, b, c, d, state, batch);
        _selectiveScan.Add(
            start,
            Bytes(x) + Bytes(dt) + Bytes(a) + Bytes(b) + Bytes(c) + Bytes(d) + Bytes(state, batch) + Bytes(result),
            floatProducts: 3L * x.Rows * a.Rows * a.Columns); // dt * a, the new state, the output
        return result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _inner.Dispose();
    }

    private static long Bytes(Tensor x) => (long)x.Rows * x.Columns * sizeof(float);

    /// <summary>A state is read and written.</summary>
    private static long Bytes(StateLayer state, Batch batch) => 2L * batch.Sequences.Length * state.Count * sizeof(float);

    /// <summary>The slots that a token at a position sees.</summary>
    private static long Seen(int position, in AttentionSpec attention) => attention.Window == 0
        ? position + 1
        : Math.Min(position + 1, (long)attention.Window + attention.SinkTokens);

    private OperationProfile New(string name)
    {
        OperationProfile operation = new(name);
        _operations.Add(operation);
        return operation;
    }

    private void AddProducts(Weight weight, long start, long bytes, int rows)
    {
        LoadedWeight loaded = _weights[weight];
        long each = (long)rows * weight.Columns;
        loaded.Operation.Add(
            start, bytes, each * loaded.IntegerRows, each * (weight.Rows - loaded.IntegerRows - loaded.BFloat16Rows), each * loaded.BFloat16Rows);
    }

    /// <summary>The distinct experts that some row goes through.</summary>
    private int CountUsed(in Routing routing)
    {
        int used = 0;
        for (int row = 0; row < routing.Rows; row++)
        {
            foreach (int expert in routing[row])
            {
                used += _isUsed[expert] ? 0 : 1;
                _isUsed[expert] = true;
            }
        }
        Array.Clear(_isUsed);
        return used;
    }

    /// <summary><c>attn_q+k+v</c> of <c>blk.7.attn_q.weight</c> and so on: what equal maps of all layers have in common.</summary>
    private static string ShortName(ReadOnlySpan<WeightData> parts)
    {
        string first = Trim(parts[0].Name), result = first;
        foreach (WeightData part in parts[1..])
        {
            string name = Trim(part.Name);
            int common = 0;
            for (int i = 0; i < Math.Min(first.Length, name.Length) && first[i] == name[i]; i++)
                common = first[i] == '_' ? i + 1 : common;
            result += "+" + name[common..];
        }
        return result;

        static string Trim(string name) => string.Join('.', name.Split('.').Where(part =>
            part is not ("blk" or "weight") && !int.TryParse(part, out _)));
    }

    private readonly record struct LoadedWeight(OperationProfile Operation, int IntegerRows, int BFloat16Rows);
}
