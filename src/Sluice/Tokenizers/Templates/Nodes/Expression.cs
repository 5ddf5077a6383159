using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>
/// What has a value: null for None, bool, long, BigInteger, double, string, or a <see cref="Values.TemplateObject"/>.
/// </summary>
/// <param name="line">Where it stands, for messages.</param>
internal abstract class Expression(int line)
{
    public int Line { get; } = line;

    /// <summary>Computes the value; called through <see cref="Renderer.Evaluate(Expression)"/>, which pays for it.</summary>
    public abstract object? Evaluate(Renderer renderer);
}
