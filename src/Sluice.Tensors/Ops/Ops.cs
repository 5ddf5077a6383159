using Sluice.Tensors.KvFormats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors;

/// <summary>
/// The operations that a model may call. <see cref="ScalarOps"/> defines what each computes; other implementations compute the
/// same faster. One instance serves one thread, and owns the weights it loads and the scratch memory of its results.
/// </summary>
/// <remarks>
/// What an operation computes for a row depends on that row (and its sequence's cache) alone, to the bit: not on which rows
/// are beside it, so that batching and chunking never change a result.
/// </remarks>
public abstract unsafe class Ops : IDisposable
{
    private readonly Workspace _workspace;
    private readonly List<NativeBuffer> _loaded = [];
    private readonly AdapterRows _adapted = new();

    /// <summary>With scratch memory of its own.</summary>
    protected Ops() => _workspace = new Workspace();

    /// <summary>Around others: with their scratch memory, so that scopes of either hold the results of both.</summary>
    private protected Ops(Ops inner) => (_workspace, Activations) = (inner._workspace, inner.Activations);

    /// <summary>How inputs of linear maps are rounded; set before weights are loaded.</summary>
    public ActivationPrecision Activations { get; init; }

    // Weights and memory

    /// <summary>Makes stored tensors of equal input width ready as one weight, their outputs side by side.</summary>
    /// <exception cref="InvalidDataException">Their widths or experts differ.</exception>
    public abstract Weight LoadWeight(params ReadOnlySpan<WeightData> parts);

    /// <summary>Frees a weight that was loaded here and is not used any more; all that are left go with the operations.</summary>
    public abstract void Unload(Weight weight);

    /// <summary>Loads a stored vector or small matrix (norm weights, biases) as float32 [rows, columns].</summary>
    public Tensor LoadTensor(WeightData data)
    {
        NativeBuffer buffer = new(checked((long)data.Rows * data.Experts * data.Columns * sizeof(float)));
        _loaded.Add(buffer);
        Tensor tensor = new((float*)buffer.Pointer, data.Rows * data.Experts, data.Columns, data.Columns);
        for (int row = 0; row < tensor.Rows; row++)
            data.Format.Dequantize(data.Row(row % data.Rows, row / data.Rows), tensor[row]);
        return tensor;
    }

    /// <summary>A loaded vector [1, n] of the given values.</summary>
    public Tensor LoadVector(ReadOnlySpan<float> values)
    {
        NativeBuffer buffer = new((long)values.Length * sizeof(float));
        _loaded.Add(buffer);
        Tensor tensor = new((float*)buffer.Pointer, 1, values.Length, values.Length);
        values.CopyTo(tensor[0]);
        return tensor;
    }

    /// <summary>Starts a scope: the scratch tensors made in it are given back when it is disposed.</summary>
    public ScratchScope Scratch() => new(_workspace);

    /// <summary>Uninitialised scratch of the present scope [rows, columns].</summary>
    public Tensor Allocate(int rows, int columns) =>
        new((float*)_workspace.Allocate(checked((long)rows * columns * sizeof(float))), rows, columns, columns);

    /// <summary>The scratch memory held, in bytes.</summary>
    public long ScratchBytes => _workspace.Length;

    // Rows

    /// <summary>Rows of an embedding table, dequantized [ids, table columns].</summary>
    public abstract Tensor Embed(WeightData table, ReadOnlySpan<int> ids);

    /// <summary>A copy of some rows [rows.Length, x.Columns].</summary>
    public abstract Tensor Gather(Tensor x, ReadOnlySpan<int> rows);

    /// <summary>Copies values to a tensor of the same shape.</summary>
    public void Copy(Tensor from, Tensor to)
    {
        if (from.Rows != to.Rows || from.Columns != to.Columns)
            throw new ArgumentException($"[{from.Rows}, {from.Columns}] cannot be copied to [{to.Rows}, {to.Columns}].");
        for (int row = 0; row < from.Rows; row++)
            from[row].CopyTo(to[row]);
    }

    // Norms and element-wise operations

    /// <summary>
    /// Root mean square norm (Zhang and Sennrich 2019) of each group of weight.Columns values: whole rows, or each head where
    /// the weight is a head wide. x / sqrt(mean(x^2) + epsilon) * weight.
    /// </summary>
    public abstract Tensor RmsNorm(Tensor x, Tensor weight, float epsilon);

    /// <summary>Layer norm (Ba et al. 2016) of each row: (x - mean) / sqrt(variance + epsilon) * weight + bias (if any).</summary>
    public abstract Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon);

    /// <summary>x += y, the residual connection; a y of one row is added to every row.</summary>
    public abstract void Add(Tensor x, Tensor y);

    /// <summary>x *= factor.</summary>
    public abstract void Scale(Tensor x, float factor);

    /// <summary>x = cap * tanh(x / cap).</summary>
    public abstract void SoftCap(Tensor x, float cap);

    /// <summary>x = activation(x).</summary>
    public abstract void Activate(Activation activation, Tensor x);

    /// <summary>The gated unit activation(gate) * up (Shazeer 2020) [rows, columns].</summary>
    public abstract Tensor Gate(Activation activation, Tensor gate, Tensor up);

    // Linear maps

    /// <summary>
    /// Says which adapter each row has that linear maps are given from now on: the batch's rows, or only <paramref name="chosen"/> of
    /// them. Rows beside each other may have different ones; what each gets depends on its own alone.
    /// </summary>
    /// <remarks>It is not passed with every map so that no architecture needs to know of adapters.</remarks>
    public void Adapt(Batch batch, ReadOnlySpan<int> chosen) => _adapted.Find(batch.Sequences, chosen.Length, isChosen: true, chosen);

    /// <summary>As the other, of all of a batch's rows.</summary>
    public void Adapt(Batch batch) => _adapted.Find(batch.Sequences, batch.Count);

    /// <summary>Ends <see cref="Adapt(Batch)"/>: rows have no adapters.</summary>
    public void EndAdapt() => _adapted.Clear();

    /// <summary>
    /// x times the transposed weight, plus the bias if any, plus what each row's adapter adds [x.Rows, weight.Rows]. For the weight, but not for
    /// the adapter, inputs are first rotated, set to zero below a threshold and clipped to a range, as its <see cref="WeightData"/> says.
    /// </summary>
    public Tensor Linear(Tensor x, Weight weight, Tensor bias = default)
    {
        Tensor result = Multiply(x, weight, bias);
        for (int group = 0; group < _adapted.Groups; group++)
        {
            if (_adapted.At(group, out ReadOnlySpan<int> rows).Of(weight) is not { } parts)
                continue;
            if (x.Rows != _adapted.Total)
                throw new InvalidOperationException($"{weight.Name} is given {x.Rows} rows; {_adapted.Total} are known to have adapters or none.");
            foreach (Adapter.Part part in parts)
                AddLowRank(x, part, rows, result);
        }
        return result;
    }

    /// <summary>
    /// The gated unit of a linear map whose first half of the outputs is the gate and whose second half is up: <see cref="Linear"/>,
    /// then <see cref="Gate"/>, in one [x.Rows, weight.Rows / 2].
    /// </summary>
    public Tensor GatedLinear(Activation activation, Tensor x, Weight weight)
    {
        for (int group = 0; group < _adapted.Groups; group++)
        {
            if (_adapted.At(group, out _).Of(weight) is not null)
                return GateOf(activation, Linear(x, weight));
        }
        return MultiplyGated(activation, x, weight);
    }

    /// <summary><see cref="Linear"/> without adapters.</summary>
    protected abstract Tensor Multiply(Tensor x, Weight weight, Tensor bias = default);

    /// <summary><see cref="GatedLinear"/> without adapters.</summary>
    protected virtual Tensor MultiplyGated(Activation activation, Tensor x, Weight weight) => GateOf(activation, Multiply(x, weight));

    /// <summary>result[row] += Factor * B (A x[row]) for some rows, and the outputs of a part.</summary>
    internal abstract void AddLowRank(Tensor x, Adapter.Part part, ReadOnlySpan<int> rows, Tensor result);

    private Tensor GateOf(Activation activation, Tensor both)
    {
        int width = both.Columns / 2;
        return Gate(activation, both.ColumnRange(0, width), both.ColumnRange(width, width));
    }

    /// <summary>Chooses the experts of each row from the router's logits [rows, experts].</summary>
    /// <param name="logits">The router's outputs.</param>
    /// <param name="router">How they are chosen and weighted.</param>
    public abstract Routing Route(Tensor logits, in Router router);

    /// <summary>A routing of every row through all experts in turn, with weight 1: for matrices that each head has its own.</summary>
    public abstract Routing RouteToAll(int rows, int experts);

    /// <summary>
    /// The linear map of each (row, chosen expert) pair [rows * used, weight.Rows]. x has a row for each row or for each pair.
    /// The bias, if any, has a row for each expert.
    /// </summary>
    public abstract Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default);

    /// <summary>The weighted sum, for each row, of its experts' outputs [rows, y.Columns].</summary>
    public abstract Tensor Combine(Tensor y, in Routing routing);

    // Attention

    /// <summary>
    /// The rotations of each token's position, to be used by all layers: [tokens, 2 * frequencies], first cosines, then sines
    /// of position * frequency, both times <paramref name="magnitude"/>.
    /// </summary>
    /// <param name="positions">Positions of the tokens.</param>
    /// <param name="frequencies">Radians per position of each pair [1, n].</param>
    /// <param name="magnitude">A factor of both (YaRN's attention factor), else 1.</param>
    public abstract Tensor RopeAngles(ReadOnlySpan<int> positions, Tensor frequencies, float magnitude);

    /// <summary>Rotates pairs of each head in place (Su et al. 2021).</summary>
    /// <param name="x">[tokens, heads * headDimension].</param>
    /// <param name="angles">Of <see cref="RopeAngles"/>; as many pairs are rotated.</param>
    /// <param name="headDimension">Values of a head.</param>
    /// <param name="pairing">Which values are pairs.</param>
    /// <param name="start">The first rotated value of each head.</param>
    public abstract void Rope(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int start = 0);

    /// <summary>
    /// Writes the batch's keys and values to the cache, then attends: each token to the slots it sees
    /// [tokens, heads * value dimension].
    /// </summary>
    /// <param name="q">Queries [tokens, heads * key dimension]; head h uses key-value head h / (heads / kv heads).</param>
    /// <param name="k">Keys [tokens, kv heads * key dimension].</param>
    /// <param name="v">Values [tokens, kv heads * value dimension].</param>
    /// <param name="attention">Scale, window, sinks, soft cap.</param>
    /// <param name="layer">The layer's rows in the cache.</param>
    /// <param name="batch">Sequences, slots, positions, parents.</param>
    public abstract Tensor Attention(Tensor q, Tensor k, Tensor v, in AttentionSpec attention, KvLayer layer, Batch batch);

    // State-space layers

    /// <summary>
    /// Causal depthwise convolution along each sequence: y[t, c] = bias[c] + sum over j of weight[c, j] * x[t - width + 1 + j, c]
    /// [tokens, channels], with the inputs before this batch from the state, and the last width - 1 inputs left there.
    /// </summary>
    /// <param name="x">[tokens, channels].</param>
    /// <param name="weight">[channels, width].</param>
    /// <param name="bias">[1, channels], if any.</param>
    /// <param name="state">channels * (width - 1) floats a sequence; zero where nothing is past.</param>
    /// <param name="batch">The sequences; only chains.</param>
    public abstract Tensor CausalConv(Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch);

    /// <summary>
    /// Mamba's selective scan (Gu and Dao 2023): h = exp(dt * a) * h + dt * x * b; y = sum over states of h * c, + d * x
    /// [tokens, channels].
    /// </summary>
    /// <param name="x">[tokens, channels].</param>
    /// <param name="dt">Step sizes, after softplus [tokens, channels].</param>
    /// <param name="a">[channels, states], negative.</param>
    /// <param name="b">[tokens, states].</param>
    /// <param name="c">[tokens, states].</param>
    /// <param name="d">[1, channels].</param>
    /// <param name="state">channels * states floats a sequence; zero where nothing is past.</param>
    /// <param name="batch">The sequences; only chains.</param>
    public abstract Tensor SelectiveScan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch);

    /// <summary>Frees the weights and the scratch memory.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what a derived class owns, then the scratch memory.</summary>
    protected virtual void Dispose(bool disposing)
    {
        foreach (NativeBuffer buffer in _loaded)
            buffer.Dispose();
        _loaded.Clear();
        _workspace.Dispose();
    }

    /// <summary>The input width that joined parts have in common.</summary>
    /// <exception cref="InvalidDataException">Widths or experts differ.</exception>
    private protected static int JoinedColumns(ReadOnlySpan<WeightData> parts)
    {
        foreach (WeightData part in parts)
        {
            if (part.Columns != parts[0].Columns || part.Experts != parts[0].Experts)
                throw new InvalidDataException($"{part.Name} is [{part.Columns}, _, {part.Experts}] but {parts[0].Name} is [{parts[0].Columns}, _, {parts[0].Experts}].");
        }
        return parts[0].Columns;
    }

    /// <summary>Uninitialised scratch bytes of the present scope.</summary>
    private protected byte* AllocateBytes(long bytes) => _workspace.Allocate(bytes);
}

/// <summary>A scope of scratch memory; see <see cref="Ops.Scratch"/>.</summary>
public readonly struct ScratchScope : IDisposable
{
    private readonly Workspace _workspace;
    private readonly (int Chunk, long Used) _mark;

    internal ScratchScope(Workspace workspace) => (_workspace, _mark) = (workspace, workspace.Mark);

    /// <summary>Gives back the scratch tensors made since.</summary>
    public void Dispose() => _workspace.Release(_mark);
}
