using System.Runtime.CompilerServices;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>
/// Cuts a text into pieces that are tokenized each on its own (words, numbers, runs of punctuation and of white space). One
/// stage of it: a tokenizer has a list of them, each of which cuts the pieces of the one before.
/// </summary>
internal abstract class PreTokenizer
{
    /// <summary>What it does, as a regular expression (or a name): two of equal definitions cut alike.</summary>
    public abstract string Definition { get; }

    /// <summary>Where the piece that begins at <paramref name="start"/> ends.</summary>
    /// <param name="text">Valid UTF-8, the whole piece of the stage before.</param>
    /// <param name="start">A place within it; what lies before has been cut already.</param>
    /// <param name="isDropped">Whether the piece is left out of the text altogether.</param>
    /// <returns>A place after <paramref name="start"/>.</returns>
    public abstract int Next(ReadOnlySpan<byte> text, int start, out bool isDropped);
}

/// <summary>The pieces that a list of stages makes of a text.</summary>
internal ref struct Pieces(ReadOnlySpan<byte> text, PreTokenizer[] stages)
{
    public const int MaxStages = 8;

    private readonly ReadOnlySpan<byte> _text = text;

    // Where the present piece of each stage ends; those of outer stages lie at or after those of inner ones.
    private Ends _ends;
    private int _position;

    /// <summary>The next piece.</summary>
    public bool Next(out ReadOnlySpan<byte> piece)
    {
        while (_position < _text.Length)
        {
            int start = _position;
            int end = _text.Length;
            bool isDropped = false;
            for (int stage = 0; stage < stages.Length && !isDropped; stage++)
            {
                if (_ends[stage] <= start)
                    _ends[stage] = stages[stage].Next(_text[..end], start, out isDropped);
                end = _ends[stage];
            }
            _position = end;
            if (!isDropped)
            {
                piece = _text[start..end];
                return true;
            }
        }
        piece = default;
        return false;
    }

    [InlineArray(MaxStages)]
    private struct Ends
    {
        private int _end;
    }
}
