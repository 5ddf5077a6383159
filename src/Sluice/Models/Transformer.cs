using Sluice.Cache;
using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// The decoder-only transformer (Vaswani et al. 2017, Radford et al. 2019). An architecture's file says what its blocks consist
/// of; the computation over them is this one.
/// </summary>
internal sealed class Transformer : Model
{
    private readonly WeightData _embedding;
    private readonly Block[] _blocks;
    private readonly RopeFrequencies?[] _ropes; // the distinct ones
    private readonly int[] _ropeOf;
    private readonly Tensor[] _angles; // of the batch that runs, for each of the ropes
    private readonly Norm _norm;
    private readonly Weight _output;
    private readonly Tensor _outputBias;

    /// <summary>Loads embedding, blocks, last norm and output map.</summary>
    /// <param name="loader">The model's tensors.</param>
    /// <param name="block">Loads the block of a layer.</param>
    /// <param name="norm">Loads a norm by name and width; root mean square if not given.</param>
    public Transformer(ModelLoader loader, Func<int, Block> block, Func<ModelLoader, string, int, Norm>? norm = null)
        : base(loader)
    {
        _embedding = loader.Stored("token_embd.weight", Config.Embedding, Config.Vocabulary, 1);
        _blocks = [.. Enumerable.Range(0, Config.Layers).Select(block)];
        _ropes = [.. _blocks.Select(b => b.Rope).Distinct()];
        _ropeOf = [.. _blocks.Select(b => Array.IndexOf(_ropes, b.Rope))];
        _angles = new Tensor[_ropes.Length];
        _norm = (norm ?? Norm.Rms)(loader, "output_norm", Config.Embedding);
        // A file without an output map uses the embedding table again.
        string output = loader.Has("output.weight") ? "output.weight" : "token_embd.weight";
        _output = loader.Matrix(output, Config.Embedding, Config.Vocabulary);
        _outputBias = loader.OptionalVector("output.bias", Config.Vocabulary);
    }

    /// <summary>A factor of the embeddings (Gemma).</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>A learned embedding of each position, added to the token's (GPT-2).</summary>
    public WeightData? PositionEmbedding { get; init; }

    /// <summary>A soft cap of the logits; 0 for none (Gemma 2).</summary>
    public float LogitCap { get; init; }

    /// <inheritdoc/>
    public override IReadOnlyList<LayerCache> Layers => [.. _blocks.Select(block => block.Mixer.Cache)];

    /// <inheritdoc/>
    public override Tensor Embed(Batch batch)
    {
        Tensor x = Ops.Embed(_embedding, batch.Tokens);                         // [tokens, embedding]
        if (EmbeddingScale != 1)
            Ops.Scale(x, EmbeddingScale);
        if (PositionEmbedding is { } positions)
            Ops.Add(x, Ops.Embed(positions, batch.Positions));
        return x;
    }

    /// <inheritdoc/>
    protected override void Begin(Batch batch)
    {
        for (int i = 0; i < _ropes.Length; i++)
            _angles[i] = _ropes[i] is { } rope ? Ops.RopeAngles(batch.Positions, rope.Frequencies, rope.Magnitude) : default;
    }

    /// <inheritdoc/>
    protected override void RunLayer(int layer, Tensor x, Batch batch, KvCache cache)
    {
        Block block = _blocks[layer];
        Tensor mixed = block.Mixer.Forward(block.MixerNorm.Forward(x), _angles[_ropeOf[layer]], batch, cache);
        Ops.Add(x, block.AfterMixer is null ? mixed : block.AfterMixer.Forward(mixed));
        Tensor mapped = block.FeedForward.Forward(block.FeedForwardNorm.Forward(x));
        Ops.Add(x, block.AfterFeedForward is null ? mapped : block.AfterFeedForward.Forward(mapped));
    }

    /// <inheritdoc/>
    protected override Tensor Normed(Tensor x) => _norm.Forward(x);

    /// <inheritdoc/>
    protected override Tensor Logits(Tensor x)
    {
        Tensor logits = Ops.Linear(x, _output, _outputBias);                    // [rows, vocabulary]
        if (LogitCap > 0)
            Ops.SoftCap(logits, LogitCap);
        return logits;
    }
}
