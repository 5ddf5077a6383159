namespace Sluice.Cache;

/// <summary>What one layer of a model keeps of a sequence.</summary>
public abstract record LayerCache;

/// <summary>Key and value rows.</summary>
/// <param name="Heads">Key-value heads.</param>
/// <param name="KeyDimension">Values of a head's key row.</param>
/// <param name="ValueDimension">Values of a head's value row.</param>
/// <param name="Retention">Which rows are kept.</param>
public sealed record AttentionCache(int Heads, int KeyDimension, int ValueDimension, Retention Retention) : LayerCache;

/// <summary>A recurrent state of a fixed number of floats.</summary>
/// <param name="Floats">Its size.</param>
public sealed record RecurrentCache(int Floats) : LayerCache;

/// <summary>Which positions a layer keeps: the last <paramref name="Window"/> and the first <paramref name="SinkTokens"/>.</summary>
/// <param name="Window">How many of the last positions a token sees, itself included; 0 for all.</param>
/// <param name="SinkTokens">The first positions, kept whatever the window (StreamingLLM, Xiao et al. 2023).</param>
public readonly record struct Retention(int Window, int SinkTokens)
{
    /// <summary>Every position.</summary>
    public static Retention Full => default;

    /// <summary>Whether no token at <paramref name="next"/> or later sees any of the positions from <paramref name="first"/> to <paramref name="last"/>.</summary>
    public bool IsGone(int first, int last, int next) => Window > 0 && first >= SinkTokens && last <= next - Window;
}
