namespace Sluice.Grammars;

/// <summary>A schema, pattern or grammar that cannot be used: malformed, without any valid text, or beyond what is supported.</summary>
/// <param name="message">What is wrong, and where.</param>
public sealed class GrammarException(string message) : ArgumentException(message);
