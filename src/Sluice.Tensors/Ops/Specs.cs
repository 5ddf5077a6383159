namespace Sluice.Tensors;

/// <summary>The non-linear functions of feed-forward layers.</summary>
public enum Activation
{
    /// <summary>x * sigmoid(x).</summary>
    Silu,

    /// <summary>GELU by its tanh approximation: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).</summary>
    Gelu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)^2.</summary>
    ReluSquared,

    /// <summary>log(1 + exp(x)).</summary>
    Softplus,

    /// <summary>
    /// GPT-oss's gate, with the gate at most 7 and up within +-7: gate * sigmoid(1.702 gate) * (up + 1). Only for
    /// <see cref="Ops.Gate"/>.
    /// </summary>
    OaiSwiGlu,
}

/// <summary>Which values of a head rotate together.</summary>
public enum RopePairing
{
    /// <summary>2i and 2i + 1, as in the RoPE paper and GGUF's llama.</summary>
    Adjacent,

    /// <summary>i and i + n/2, as in GPT-NeoX and Hugging Face's models.</summary>
    Halves,
}

/// <summary>What a layer's attention does beside the plain softmax(q k * scale) v.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="Scale">The factor of q k, usually 1 / sqrt(key dimension).</param>
public readonly record struct AttentionSpec(int Heads, float Scale)
{
    /// <summary>How many positions a token sees, itself included; 0 for all.</summary>
    public int Window { get; init; }

    /// <summary>The first positions, seen whatever the window (StreamingLLM's attention sinks).</summary>
    public int SinkTokens { get; init; }

    /// <summary>A learned score of each head that takes part in the softmax and has no value (GPT-oss) [1, heads], if any.</summary>
    public Tensor SinkScores { get; init; }

    /// <summary>Scores become cap * tanh(score / cap); 0 for none (Gemma 2).</summary>
    public float SoftCap { get; init; }
}

/// <summary>How a router's logits become probabilities.</summary>
public enum Gating
{
    /// <summary>Softmax over all experts.</summary>
    Softmax,

    /// <summary>Sigmoid of each (DeepSeek-V3).</summary>
    Sigmoid,

    /// <summary>The experts are chosen by logits, then softmax over the chosen ones (GPT-oss).</summary>
    SoftmaxOfChosen,
}

/// <summary>How a mixture of experts chooses.</summary>
/// <param name="Used">Experts chosen for a row.</param>
/// <param name="Gating">How logits become probabilities.</param>
public readonly record struct Router(int Used, Gating Gating)
{
    /// <summary>Whether the chosen weights are scaled to sum to 1.</summary>
    public bool Normalize { get; init; }

    /// <summary>A factor of the weights.</summary>
    public float Scale { get; init; } = 1;

    /// <summary>Added to the probabilities for the choice alone, not for the weights (DeepSeek-V3) [1, experts], if any.</summary>
    public Tensor ChoiceBias { get; init; }

    /// <summary>Experts form this many groups, of which <see cref="GroupsUsed"/> are chosen first (DeepSeek); 1 for no groups.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Groups chosen.</summary>
    public int GroupsUsed { get; init; } = 1;

    /// <summary>
    /// How many of a group's best scores are added to compare groups: 2 as in DeepSeek-V3 (<c>noaux_tc</c>), 1 as in V2 (<c>group_limited_greedy</c>).
    /// </summary>
    public int BestOfGroup { get; init; } = 2;
}

/// <summary>The experts chosen for each row: scratch of the scope it was made in.</summary>
public readonly unsafe struct Routing
{
    internal readonly int* Experts; // [Rows * Used]

    internal Routing(int* experts, Tensor weights)
    {
        Experts = experts;
        Weights = weights;
    }

    /// <summary>The weight of each choice [rows, used].</summary>
    public Tensor Weights { get; }

    /// <summary>Rows.</summary>
    public int Rows => Weights.Rows;

    /// <summary>Experts of a row.</summary>
    public int Used => Weights.Columns;

    /// <summary>The experts of a row.</summary>
    public ReadOnlySpan<int> this[int row] => (uint)row < (uint)Rows
        ? new ReadOnlySpan<int>(Experts + (long)row * Used, Used)
        : throw new ArgumentOutOfRangeException(nameof(row), row, $"The routing has {Rows} rows.");
}
