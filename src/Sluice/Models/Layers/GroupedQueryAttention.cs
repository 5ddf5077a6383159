using Sluice.Cache;
using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>
/// Attention whose query heads share key-value heads in groups (Ainslie et al. 2023), with what the architectures add to it:
/// biases, norms of each head's queries and keys, a norm before the output map, learned sinks, windows, soft caps.
/// </summary>
internal sealed class GroupedQueryAttention : ITokenMixer
{
    private readonly Ops _ops;
    private readonly Weight _qkv, _output;
    private readonly Tensor _qkvBias, _outputBias;
    private readonly Norm? _queryNorm, _keyNorm, _outputNorm;
    private readonly AttentionSpec _spec;
    private readonly RopePairing _pairing;
    private readonly int _layer, _queries, _keys, _values, _keyLength;

    /// <summary>Loads a layer's attention.</summary>
    /// <param name="loader">The model's tensors.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="pairing">How heads rotate.</param>
    /// <param name="retention">What the layer keeps and sees.</param>
    /// <param name="scale">The factor of scores; 0 for 1 / sqrt(key length).</param>
    /// <param name="softCap">A cap of scores; 0 for none.</param>
    public GroupedQueryAttention(
        ModelLoader loader, int layer, RopePairing pairing, Retention retention, float scale = 0, float softCap = 0)
    {
        ModelConfig config = loader.Config;
        (_ops, _layer, _pairing) = (loader.Ops, layer, pairing);
        _keyLength = config.KeyLength;
        _queries = config.Heads * config.KeyLength;
        _keys = config.KvHeads * config.KeyLength;
        _values = config.KvHeads * config.ValueLength;
        string prefix = $"blk.{layer}.attn_";
        if (loader.Has(prefix + "qkv.weight"))
        {
            _qkv = loader.Matrix(prefix + "qkv.weight", config.Embedding, _queries + _keys + _values);
            _qkvBias = loader.OptionalVector(prefix + "qkv.bias", _queries + _keys + _values);
        }
        else
        {
            _qkv = loader.Matrix(config.Embedding, (prefix + "q.weight", _queries), (prefix + "k.weight", _keys), (prefix + "v.weight", _values));
            _qkvBias = loader.OptionalVectors((prefix + "q.bias", _queries), (prefix + "k.bias", _keys), (prefix + "v.bias", _values));
        }
        _queryNorm = Norm.OptionalRms(loader, prefix + "q_norm", _keyLength);
        _keyNorm = Norm.OptionalRms(loader, prefix + "k_norm", _keyLength);
        _outputNorm = Norm.OptionalRms(loader, prefix + "sub_norm", config.Heads * config.ValueLength);
        _output = loader.Matrix(prefix + "output.weight", config.Heads * config.ValueLength, config.Embedding);
        _outputBias = loader.OptionalVector(prefix + "output.bias", config.Embedding);
        _spec = new AttentionSpec(config.Heads, scale != 0 ? scale : 1 / MathF.Sqrt(_keyLength))
        {
            Window = retention.Window,
            SinkTokens = retention.SinkTokens,
            SoftCap = softCap,
            SinkScores = loader.OptionalVector(prefix + "sinks.weight", config.Heads),
        };
        Cache = new AttentionCache(config.KvHeads, config.KeyLength, config.ValueLength, retention);
    }

    /// <inheritdoc/>
    public LayerCache Cache { get; }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x, Tensor angles, Batch batch, KvCache cache)
    {
        Tensor qkv = _ops.Linear(x, _qkv, _qkvBias);                     // [tokens, queries + keys + values]
        Tensor q = qkv.ColumnRange(0, _queries);
        Tensor k = qkv.ColumnRange(_queries, _keys);
        Tensor v = qkv.ColumnRange(_queries + _keys, _values);
        q = _queryNorm is null ? q : _queryNorm.Forward(q);
        k = _keyNorm is null ? k : _keyNorm.Forward(k);
        if (!angles.IsEmpty)
        {
            _ops.Rope(q, angles, _keyLength, _pairing);
            _ops.Rope(k, angles, _keyLength, _pairing);
        }
        Tensor mixed = _ops.Attention(q, k, v, _spec, cache.Attention(_layer), batch); // [tokens, heads * value length]
        mixed = _outputNorm is null ? mixed : _outputNorm.Forward(mixed);
        return _ops.Linear(mixed, _output, _outputBias);
    }
}
