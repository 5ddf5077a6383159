using System.Runtime.CompilerServices;

namespace Sluice.Tokenizers.Templates.Rendering;

/// <summary>What a rendering may still use. Whatever works on values pays here first.</summary>
internal sealed class Budget(TemplateOptions options, CancellationToken cancellation)
{
    private const int CharsPerStep = 8;
    private long _steps = options.MaxSteps;
    private int _depth;

    /// <summary>Pays for some steps.</summary>
    public void Charge(long steps)
    {
        cancellation.ThrowIfCancellationRequested();
        _steps -= steps;
        if (_steps < 0)
            throw new TemplateException($"rendering takes more than {options.MaxSteps} steps");
    }

    /// <summary>Pays for a text of this length.</summary>
    public void ChargeText(long length) => ChargeText(length, length);

    /// <summary>Pays for the last characters of a text of this length.</summary>
    public void ChargeText(long length, long added)
    {
        if (length > options.MaxLength)
            throw new TemplateException($"a text is longer than {options.MaxLength} characters");
        Charge(1 + (added / CharsPerStep));
    }

    /// <summary>Pays for a list of this length.</summary>
    public void ChargeList(long length)
    {
        if (length > options.MaxLength)
            throw new TemplateException($"a list is longer than {options.MaxLength} elements");
        Charge(1 + length);
    }

    /// <summary>
    /// Pays for looking for one text in another: at worst every part of one is compared with the other, many characters at a time.
    /// </summary>
    public void ChargeSearch(int length, int needle) => Charge(1 + (length / CharsPerStep) + ((long)length * needle / 256));

    /// <summary>Pays for a text and returns it.</summary>
    public string Text(string text)
    {
        ChargeText(text.Length);
        return text;
    }

    /// <summary>Goes one level deeper; <see cref="Leave"/> comes back (an exception ends the rendering, so it need not).</summary>
    public void Enter()
    {
        if (++_depth > options.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new TemplateException($"the template or its data nest too deeply (more than {_depth - 1} levels)");
        Charge(1);
    }

    /// <summary>Comes back from a level.</summary>
    public void Leave() => _depth--;
}
