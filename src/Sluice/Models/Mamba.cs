using Sluice.Cache;
using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// Mamba (Gu and Dao 2023): in place of attention, each channel runs a small linear recurrence whose coefficients depend on the
/// token.
/// </summary>
internal sealed class Mamba : Model
{
    private readonly WeightData _embedding;
    private readonly Layer[] _layers;
    private readonly Norm _norm;
    private readonly Weight _output;

    private Mamba(ModelLoader loader)
        : base(loader)
    {
        _embedding = loader.Stored("token_embd.weight", Config.Embedding, Config.Vocabulary, 1);
        _layers = [.. Enumerable.Range(0, Config.Layers).Select(i => new Layer(loader, i))];
        _norm = Norm.Rms(loader, "output_norm", Config.Embedding);
        _output = loader.Matrix(loader.Has("output.weight") ? "output.weight" : "token_embd.weight", Config.Embedding, Config.Vocabulary);
        Config.Ignore("feed_forward_length", "attention.head_count"); // 0: there are none
    }

    public override IReadOnlyList<LayerCache> Layers => [.. _layers.Select(layer => layer.Cache)];

    public static Model Load(ModelLoader loader) => new Mamba(loader);

    public override Tensor Embed(Batch batch) => Ops.Embed(_embedding, batch.Tokens);

    protected override void RunLayer(int layer, Tensor x, Batch batch, KvCache cache) =>
        Ops.Add(x, _layers[layer].Forward(Ops, x, layer, batch, cache));

    protected override Tensor Normed(Tensor x) => _norm.Forward(x);

    protected override Tensor Logits(Tensor x) => Ops.Linear(x, _output);       // [rows, vocabulary]

    private sealed class Layer
    {
        private readonly Norm _norm;
        private readonly Weight _in, _coefficients, _step, _out;
        private readonly Tensor _conv, _convBias, _stepBias, _a, _d;
        private readonly int _channels, _states, _rank, _convFloats;

        public Layer(ModelLoader loader, int i)
        {
            ModelConfig config = loader.Config;
            string prefix = $"blk.{i}.ssm_";
            _channels = config.Positive("ssm.inner_size");
            _states = config.Positive("ssm.state_size");
            _rank = config.Positive("ssm.time_step_rank");
            int width = config.Positive("ssm.conv_kernel");
            if (config.Bool("ssm.dt_b_c_rms", false))
                throw config.Unsupported("ssm.dt_b_c_rms", true);
            _convFloats = checked(_channels * (width - 1));
            _norm = Norm.Rms(loader, $"blk.{i}.attn_norm", config.Embedding);
            _in = loader.Matrix(prefix + "in.weight", config.Embedding, 2 * _channels);
            _conv = loader.Table(prefix + "conv1d.weight", width, _channels);
            _convBias = loader.OptionalVector(prefix + "conv1d.bias", _channels);
            _coefficients = loader.Matrix(prefix + "x.weight", _channels, _rank + (2 * _states));
            _step = loader.Matrix(prefix + "dt.weight", _rank, _channels);
            _stepBias = loader.OptionalVector(prefix + "dt.bias", _channels);
            _a = loader.Table(prefix + "a", _states, _channels);
            _d = loader.Vector(prefix + "d", _channels);
            _out = loader.Matrix(prefix + "out.weight", _channels, config.Embedding);
            Cache = new RecurrentCache(checked(_convFloats + (_channels * _states)));
        }

        public RecurrentCache Cache { get; }

        public Tensor Forward(Ops ops, Tensor x, int index, Batch batch, KvCache cache)
        {
            Tensor both = ops.Linear(_norm.Forward(x), _in);                    // [tokens, 2 * channels]
            Tensor gate = both.ColumnRange(_channels, _channels);
            Tensor u = ops.CausalConv(both.ColumnRange(0, _channels), _conv, _convBias, cache.Recurrent(index, 0, _convFloats), batch);
            ops.Activate(Activation.Silu, u);
            Tensor coefficients = ops.Linear(u, _coefficients);                 // [tokens, rank + 2 * states]
            Tensor step = ops.Linear(coefficients.ColumnRange(0, _rank), _step, _stepBias); // [tokens, channels]
            ops.Activate(Activation.Softplus, step);
            Tensor b = coefficients.ColumnRange(_rank, _states), c = coefficients.ColumnRange(_rank + _states, _states);
            Tensor y = ops.SelectiveScan(u, step, _a, b, c, _d, cache.Recurrent(index, _convFloats, _channels * _states), batch);
            return ops.Linear(ops.Gate(Activation.Silu, gate, y), _out);        // [tokens, embedding]
        }
    }
}
