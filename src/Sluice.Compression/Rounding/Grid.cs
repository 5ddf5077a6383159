namespace Sluice.Compression;

/// <summary>
/// What weights may be rounded to: a row is cut into fits of neighbouring weights, whose scales are chosen together, and each of these
/// into steps. A method (rounding to nearest, GPTQ) decides which of a step's values a weight gets.
/// </summary>
public abstract class Grid
{
    /// <summary>Neighbouring weights of a row whose scales are chosen together.</summary>
    public abstract int FitSize { get; }

    /// <summary>Neighbouring weights that share a <see cref="Step"/>: a divisor of <see cref="FitSize"/>.</summary>
    public abstract int StepSize { get; }

    /// <summary>Bytes of a fit as a file stores it; 0 where there is no such form.</summary>
    public virtual int BlockBytes => 0;

    /// <summary>Chooses scales.</summary>
    /// <param name="values">FitSize weights.</param>
    /// <param name="importance">What each one's squared error counts, or empty: all the same.</param>
    /// <param name="steps">FitSize / StepSize steps, written.</param>
    /// <param name="block">BlockBytes, written: the fit as stored, of whatever codes.</param>
    public abstract void Fit(ReadOnlySpan<float> values, ReadOnlySpan<float> importance, Span<Step> steps, Span<byte> block);

    /// <summary>The code whose value comes nearest.</summary>
    public abstract int Nearest(float value, in Step step);

    /// <summary>Puts codes into a stored fit.</summary>
    /// <param name="block">Written by <see cref="Fit"/>.</param>
    /// <param name="codes">FitSize codes of <see cref="Nearest"/>.</param>
    public virtual void Store(Span<byte> block, ReadOnlySpan<short> codes) =>
        throw new NotSupportedException("These weights have no stored form.");
}
