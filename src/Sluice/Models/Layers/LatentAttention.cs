using Sluice.Cache;
using Sluice.Tensors;
using Sluice.Tensors.Formats;

namespace Sluice.Models.Layers;

/// <summary>
/// Multi-head latent attention (DeepSeek-V2, 2024). Keys and values of all heads are maps of one latent row a token, which is
/// what the cache keeps, beside one rotated key that the heads share. The maps from the latent are absorbed: each head's query
/// goes through its key map's transpose and so meets the latent itself, and the value map comes after the weighted sum.
/// </summary>
internal sealed class LatentAttention : ITokenMixer
{
    private readonly Ops _ops;
    private readonly Weight? _queryDown;
    private readonly Norm? _queryNorm;
    private readonly Weight _queryUp, _latentDown, _keyUp, _valueUp, _output;
    private readonly Norm _latentNorm;
    private readonly AttentionSpec _spec;
    private readonly int _layer, _heads, _plain, _rotated, _latent, _value;

    /// <summary>Loads a layer's attention.</summary>
    /// <param name="loader">The model's tensors.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="scale">A factor of scores besides 1 / sqrt(key length).</param>
    public LatentAttention(ModelLoader loader, int layer, float scale)
    {
        ModelConfig config = loader.Config;
        string prefix = $"blk.{layer}.attn_";
        (_ops, _layer, _heads) = (loader.Ops, layer, config.Heads);
        // Newer files give the absorbed lengths as key_length and value_length, and these beside them.
        int key = config.Int("attention.key_length_mla", config.KeyLength);
        _value = config.Int("attention.value_length_mla", config.ValueLength);
        _rotated = config.Positive("rope.dimension_count");
        _latent = config.Positive("attention.kv_lora_rank");
        _plain = key - _rotated;
        if (_plain <= 0)
            throw config.Wrong("attention.key_length", key);
        config.Ignore("attention.head_count_kv", "attention.key_length", "attention.value_length");

        int queryRank = config.Int("attention.q_lora_rank", 0);
        if (queryRank > 0)
        {
            _queryDown = loader.Matrix(prefix + "q_a.weight", config.Embedding, queryRank);
            _queryNorm = Norm.Rms(loader, prefix + "q_a_norm", queryRank);
            _queryUp = loader.Matrix(prefix + "q_b.weight", queryRank, _heads * key);
        }
        else
        {
            _queryUp = loader.Matrix(prefix + "q.weight", config.Embedding, _heads * key);
        }
        _latentDown = loader.Matrix(prefix + "kv_a_mqa.weight", config.Embedding, _latent + _rotated);
        _latentNorm = Norm.Rms(loader, prefix + "kv_a_norm", _latent);
        if (loader.Has(prefix + "k_b.weight"))
        {
            _keyUp = loader.Experts(_plain, _heads, (prefix + "k_b.weight", _latent));
            _valueUp = loader.Experts(_latent, _heads, (prefix + "v_b.weight", _value));
        }
        else
        {
            (_keyUp, _valueUp) = Split(loader.Stored(prefix + "kv_b.weight", _latent, _heads * (_plain + _value), 1, isMap: true));
        }
        _output = loader.Matrix(prefix + "output.weight", _heads * _value, config.Embedding);
        _spec = new AttentionSpec(_heads, scale / MathF.Sqrt(key))
        {
            Window = loader.Options.Retention.Window,
            SinkTokens = loader.Options.Retention.SinkTokens,
        };
        Cache = new AttentionCache(1, _latent + _rotated, _latent, loader.Options.Retention);
    }

    /// <inheritdoc/>
    public LayerCache Cache { get; }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x, Tensor angles, Batch batch, KvCache cache)
    {
        Tensor q = _queryDown is null ? x : _queryNorm!.Forward(_ops.Linear(x, _queryDown));
        q = _ops.Linear(q, _queryUp).Reshape(x.Rows * _heads, _plain + _rotated);       // [tokens * heads, plain + rotated]
        Tensor kv = _ops.Linear(x, _latentDown);                                        // [tokens, latent + rotated]
        Tensor latent = _latentNorm.Forward(kv.ColumnRange(0, _latent));
        Tensor sharedKey = kv.ColumnRange(_latent, _rotated);
        _ops.Rope(q.Reshape(x.Rows, _heads * (_plain + _rotated)), angles, _plain + _rotated, RopePairing.Adjacent, start: _plain);
        _ops.Rope(sharedKey, angles, _rotated, RopePairing.Adjacent);

        Routing heads = _ops.RouteToAll(x.Rows, _heads);
        Tensor absorbed = _ops.ExpertLinear(q.ColumnRange(0, _plain), _keyUp, heads);   // [tokens * heads, latent]
        Tensor queries = Join(absorbed, q.ColumnRange(_plain, _rotated)).Reshape(x.Rows, _heads * (_latent + _rotated));
        Tensor keys = Join(latent, sharedKey);
        Tensor mixed = _ops.Attention(queries, keys, latent, _spec, cache.Attention(_layer), batch); // [tokens, heads * latent]
        Tensor values = _ops.ExpertLinear(mixed.Reshape(x.Rows * _heads, _latent), _valueUp, heads); // [tokens * heads, value]
        return _ops.Linear(values.Reshape(x.Rows, _heads * _value), _output);
    }

    /// <summary>Rows side by side.</summary>
    private Tensor Join(Tensor left, Tensor right)
    {
        Tensor joined = _ops.Allocate(left.Rows, left.Columns + right.Columns);
        _ops.Copy(left, joined.ColumnRange(0, left.Columns));
        _ops.Copy(right, joined.ColumnRange(left.Columns, right.Columns));
        return joined;
    }

    /// <summary>
    /// Older files join each head's key and value maps from the latent. The key map is needed transposed, across the blocks of
    /// its format, and so becomes BF16 unless it is a plain format of its own.
    /// </summary>
    private (Weight Key, Weight Value) Split(WeightData joined)
    {
        WeightFormat format = joined.Format.BlockSize == 1 ? joined.Format : WeightFormats.Get(TensorType.BF16);
        float[] row = new float[_latent], key = new float[(long)_heads * _latent * _plain];
        byte[] value = new byte[joined.RowBytes * _heads * _value];
        for (int head = 0; head < _heads; head++)
        {
            for (int i = 0; i < _plain; i++)
            {
                joined.Format.Dequantize(joined.Row((head * (_plain + _value)) + i), row);
                for (int j = 0; j < _latent; j++)
                    key[(((head * _latent) + (joined.ColumnOrder?[j] ?? j)) * _plain) + i] = row[j];
            }
            for (int i = 0; i < _value; i++)
                joined.Row((head * (_plain + _value)) + _plain + i).CopyTo(value.AsSpan((int)joined.RowBytes * ((head * _value) + i)));
        }
        byte[] packed = new byte[format.Bytes(key.Length)];
        format.Quantize(key, packed);
        WeightData values = WeightData.FromBytes(joined.Name + " (values)", joined.Format, _latent, _value, _heads, value);
        if (joined.ColumnOrder is { } order)
            values = values.InOrder([.. Enumerable.Repeat(order, _heads).SelectMany(columns => columns)]);
        return (
            _ops.LoadWeight(WeightData.FromBytes(joined.Name + " (keys)", format, _plain, _latent, _heads, packed)),
            _ops.LoadWeight(values));
    }
}
