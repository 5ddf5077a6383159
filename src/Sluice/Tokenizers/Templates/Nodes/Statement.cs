using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>How a statement ends.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>What writes or assigns.</summary>
/// <param name="line">Where it stands, for messages.</param>
internal abstract class Statement(int line)
{
    public int Line { get; } = line;

    /// <summary>Does it; called through <see cref="Renderer.Run"/>, which pays for it.</summary>
    public abstract Flow Execute(Renderer renderer);
}
