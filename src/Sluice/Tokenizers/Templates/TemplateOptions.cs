namespace Sluice.Tokenizers.Templates;

/// <summary>
/// What bounds a rendering, so that a template out of a downloaded file cannot harm the process. Going past a bound throws
/// <see cref="TemplateException"/>.
/// </summary>
public sealed record TemplateOptions
{
    /// <summary>The bounds that are used if none are given.</summary>
    public static TemplateOptions Default { get; } = new();

    /// <summary>
    /// How much work: a step is an expression or statement evaluated, a list element or eight characters made. The default is
    /// a few seconds at most.
    /// </summary>
    public long MaxSteps { get; init; } = 50_000_000;

    /// <summary>The longest text (the output, or any value on the way), in characters, and the longest list.</summary>
    public int MaxLength { get; init; } = 16 << 20;

    /// <summary>How deep expressions, statements, macro calls and values nest.</summary>
    public int MaxDepth { get; init; } = 1000;

    /// <summary>The clock of <c>strftime_now</c>, read in its local time zone.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
