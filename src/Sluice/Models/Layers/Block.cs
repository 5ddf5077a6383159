using Sluice.Cache;
using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>The part of a block that mixes tokens of a sequence.</summary>
internal interface ITokenMixer
{
    /// <summary>What it keeps of a sequence.</summary>
    LayerCache Cache { get; }

    /// <summary>Mixes tokens.</summary>
    /// <param name="x">Normed input [tokens, embedding].</param>
    /// <param name="angles">Rotations of the tokens' positions, if any.</param>
    /// <param name="batch">The tokens.</param>
    /// <param name="cache">The cache.</param>
    /// <returns>[tokens, embedding].</returns>
    Tensor Forward(Tensor x, Tensor angles, Batch batch, KvCache cache);
}

/// <summary>The part of a block that maps each token by itself, [tokens, embedding] to the same.</summary>
internal interface IFeedForward
{
    /// <summary>Maps normed input.</summary>
    Tensor Forward(Tensor x);
}

/// <summary>One layer of a transformer.</summary>
/// <param name="MixerNorm">Before attention.</param>
/// <param name="Mixer">Attention.</param>
/// <param name="FeedForwardNorm">Before the feed-forward layer.</param>
/// <param name="FeedForward">The feed-forward layer.</param>
internal sealed record Block(Norm MixerNorm, ITokenMixer Mixer, Norm FeedForwardNorm, IFeedForward FeedForward)
{
    /// <summary>Before attention's output joins the residual stream (Gemma).</summary>
    public Norm? AfterMixer { get; init; }

    /// <summary>Before the feed-forward layer's output joins the residual stream (Gemma).</summary>
    public Norm? AfterFeedForward { get; init; }

    /// <summary>How heads rotate; null for no rotary positions.</summary>
    public RopeFrequencies? Rope { get; init; }
}
