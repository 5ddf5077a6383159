using System.Globalization;

namespace Sluice.Cli.Load;

/// <summary>How long prompts or answers are: <c>512</c>, or <c>100-800</c> with every length from 100 to 800 as likely.</summary>
/// <param name="Least">Tokens, at least.</param>
/// <param name="Most">Tokens, at most.</param>
internal readonly record struct Lengths(int Least, int Most)
{
    /// <exception cref="FormatException">It is no such thing.</exception>
    public static Lengths Parse(string text)
    {
        string[] parts = text.Split('-');
        if (parts.Length <= 2 && TryRead(parts[0], out int least) && TryRead(parts[^1], out int most) && most >= least)
            return new Lengths(least, most);
        throw new FormatException("a number of tokens, as 512, or a range, as 100-800");

        static bool TryRead(string part, out int value) =>
            int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value > 0;
    }

    public override string ToString() => Least == Most ? $"{Least}" : $"{Least}-{Most}";

    public int Next(Random random) => random.Next(Least, Most + 1);
}
