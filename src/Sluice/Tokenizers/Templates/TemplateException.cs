namespace Sluice.Tokenizers.Templates;

/// <summary>
/// A chat template is wrong, cannot render what it was given, called <c>raise_exception</c>, or went past a limit.
/// </summary>
public sealed class TemplateException : Exception
{
    /// <summary>An error at a line.</summary>
    /// <param name="reason">What is wrong.</param>
    /// <param name="line">The template's line, from 1; 0 if it is not known.</param>
    public TemplateException(string reason, int line = 0) : base(line > 0 ? $"line {line}: {reason}" : reason) =>
        (Reason, Line) = (reason, line);

    /// <summary>What is wrong, without the line: for <c>raise_exception</c>, the template's own words.</summary>
    public string Reason { get; }

    /// <summary>The template's line, from 1; 0 if it is not known.</summary>
    public int Line { get; }
}
