namespace Sluice.Tokenizers.Bpe;

/// <summary>The symbols that byte-pair encoding begins with.</summary>
internal abstract class Alphabet
{
    /// <summary>Writes a word's symbols.</summary>
    /// <param name="word">Valid UTF-8.</param>
    /// <param name="symbols">Room for one symbol a byte.</param>
    /// <returns>How many.</returns>
    public abstract int Split(ReadOnlySpan<byte> word, Span<int> symbols);

    /// <summary>Appends the tokens of a symbol that is left after merging: mostly itself.</summary>
    public abstract void Emit(int symbol, List<int> output);
}
