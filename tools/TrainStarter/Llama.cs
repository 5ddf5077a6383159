using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Sluice.TrainStarter;

/// <summary>
/// A llama model in TorchSharp, for training and for sampling. Its weights go by their GGUF names; the output matrix is the
/// embedding (tied). Positions are rotary over interleaved pairs (2i, 2i+1), the order that GGUF's llama architecture means.
/// </summary>
internal sealed class Llama : IDisposable
{
    private readonly Tensor _rotations; // complex64 [context, headWidth / 2]

    private Llama(LlamaShape shape, Dictionary<string, Parameter> weights)
    {
        Shape = shape;
        Weights = weights;
        using DisposeScope scope = NewDisposeScope();
        Tensor frequencies = pow(10000.0, arange(0, shape.HeadWidth, 2, float32) / -shape.HeadWidth);
        Tensor angles = outer(arange(shape.Context, float32), frequencies);
        _rotations = polar(ones_like(angles), angles).MoveToOuterDisposeScope();
    }

    public LlamaShape Shape { get; }

    public Dictionary<string, Parameter> Weights { get; }

    /// <summary>A model with random weights: normal, and narrower where a layer writes to the residual stream.</summary>
    public static Llama Random(LlamaShape shape)
    {
        Dictionary<string, Parameter> weights = [];
        foreach ((string name, long[] size) in shape.Weights())
        {
            bool residual = name.Contains("attn_output", StringComparison.Ordinal) || name.Contains("ffn_down", StringComparison.Ordinal);
            double deviation = residual ? 0.05 / Math.Sqrt(2 * shape.Layers) : 0.05;
            weights[name] = new Parameter(size.Length == 1 ? ones(size) : randn(size) * deviation);
        }
        return new Llama(shape, weights);
    }

    /// <summary>A model with given weights, in the order of <see cref="LlamaShape.Weights"/>.</summary>
    public static Llama From(LlamaShape shape, Func<string, float[]> values, bool trainable)
    {
        Dictionary<string, Parameter> weights = [];
        foreach ((string name, long[] size) in shape.Weights())
            weights[name] = new Parameter(tensor(values(name)).reshape(size), trainable);
        return new Llama(shape, weights);
    }

    /// <summary>Logits of every position.</summary>
    /// <param name="tokens">int64 [batch, time].</param>
    /// <param name="cache">What earlier tokens left, when sampling; null when training.</param>
    /// <returns>float32 [batch, time, vocabulary].</returns>
    public Tensor Forward(Tensor tokens, KvCache? cache = null)
    {
        Tensor embedding = Weights["token_embd.weight"];
        Tensor x = embedding.index_select(0, tokens.flatten()).view([.. tokens.shape, Shape.Width]); // [batch, time, width]
        for (int layer = 0; layer < Shape.Layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            x = x + Attend(Norm(x, prefix + "attn_norm.weight"), prefix, layer, cache);
            x = x + FeedForward(Norm(x, prefix + "ffn_norm.weight"), prefix);
        }
        cache?.Advance((int)tokens.shape[1]);
        return F.linear(Norm(x, "output_norm.weight"), embedding);
    }

    public void Dispose()
    {
        _rotations.Dispose();
        foreach (Parameter weight in Weights.Values) weight.Dispose();
    }

    private Tensor Norm(Tensor x, string weight) =>
        x * (x.square().mean([-1], keepdim: true) + Shape.NormEpsilon).rsqrt() * Weights[weight];

    private Tensor Attend(Tensor x, string prefix, int layer, KvCache? cache)
    {
        (long batch, long time) = (x.shape[0], x.shape[1]);
        (int heads, int kvHeads, int headWidth) = (Shape.Heads, Shape.KvHeads, Shape.HeadWidth);
        Tensor qkv = F.linear(x, cat([
            Weights[prefix + "attn_q.weight"], Weights[prefix + "attn_k.weight"], Weights[prefix + "attn_v.weight"]]))
            .view(batch, time, heads + 2 * kvHeads, headWidth);
        Tensor qk = Rotate(qkv.narrow(2, 0, heads + kvHeads), cache?.Length ?? 0).transpose(1, 2);
        Tensor q = qk.narrow(1, 0, heads);                                      // [batch, heads, time, headWidth]
        Tensor k = qk.narrow(1, heads, kvHeads);
        Tensor v = qkv.narrow(2, heads + kvHeads, kvHeads).transpose(1, 2);
        if (cache is not null) (k, v) = cache.Append(layer, k, v);
        Tensor mixed = time > 1
            ? F.scaled_dot_product_attention(q, Repeat(k), Repeat(v), is_casual: true).transpose(1, 2)
            // One query a head: those that share keys and values stand as the rows of one product, and nothing is copied.
            : F.scaled_dot_product_attention(q.reshape(batch, kvHeads, heads / kvHeads, headWidth), k, v);
        return F.linear(mixed.reshape(batch, time, heads * headWidth), Weights[prefix + "attn_output.weight"]);
    }

    /// <summary>Head h reads key/value head h / (heads / kvHeads).</summary>
    private Tensor Repeat(Tensor kv)
    {
        long times = Shape.Heads / Shape.KvHeads;
        long[] s = kv.shape;
        return times == 1 ? kv : kv.unsqueeze(2).expand(s[0], s[1], times, s[2], s[3]).reshape(s[0], s[1] * times, s[2], s[3]);
    }

    private Tensor Rotate(Tensor x, int position)
    {
        long[] s = x.shape;
        Tensor pairs = x.reshape(s[0], s[1], s[2], s[3] / 2, 2).view_as_complex();
        Tensor rotation = _rotations.narrow(0, position, s[1]).view(1, s[1], 1, s[3] / 2);
        return (pairs * rotation).view_as_real().flatten(3);
    }

    private Tensor FeedForward(Tensor x, string prefix)
    {
        Tensor both = F.linear(x, cat([Weights[prefix + "ffn_gate.weight"], Weights[prefix + "ffn_up.weight"]]));
        Tensor[] halves = both.chunk(2, -1);
        return F.linear(F.silu(halves[0]) * halves[1], Weights[prefix + "ffn_down.weight"]);
    }
}
