namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>What Python takes for white space: Unicode's, and the four separators of ASCII.</summary>
internal static class Space
{
    public static bool Is(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';
}
