using System.Globalization;
using System.Text;

namespace Sluice.Tokenizers.Unicode;

/// <summary>
/// Unicode normal forms C and D (UAX #15). .NET's own need ICU, which programs without globalization (as ours) do not have.
/// </summary>
internal static class NormalForm
{
    // Hangul syllables are computed (The Unicode Standard, 3.12).
    private const int Syllables = 0xAC00, Leads = 0x1100, Vowels = 0x1161, Trails = 0x11A7;
    private const int VowelCount = 21, TrailCount = 28, SyllableCount = 19 * VowelCount * TrailCount;

    private static readonly Lazy<Tables> Data = new(Tables.Read);

    /// <summary>Whether a text is surely in form C: it has nothing that could compose or that stands out of order.</summary>
    /// <param name="text">Valid UTF-8.</param>
    public static bool IsComposed(ReadOnlySpan<byte> text)
    {
        // Below U+0300 (CC 80 in UTF-8) nothing changes.
        while (text.IndexOfAnyInRange<byte>(0xCC, 0xFF) is var at && at >= 0)
        {
            int codePoint = Utf8Char.CodePointAt(text, at, out int length);
            if (Data.Value.MayChange.Contains(codePoint))
                return false;
            text = text[(at + length)..];
        }
        return true;
    }

    /// <summary>A text in form C.</summary>
    /// <param name="text">Valid UTF-8.</param>
    public static byte[] Compose(ReadOnlySpan<byte> text)
    {
        List<int> characters = new(text.Length);
        for (int i = 0; i < text.Length;)
        {
            Decompose(Utf8Char.CodePointAt(text, i, out int length), characters);
            i += length;
        }
        Order(characters);
        int count = Compose(characters);
        byte[] bytes = new byte[count * 4];
        int written = 0;
        for (int i = 0; i < count; i++)
            written += new Rune(characters[i]).EncodeToUtf8(bytes.AsSpan(written));
        return bytes[..written];
    }

    /// <summary>Appends the characters that one is made of, in the end.</summary>
    public static void Decompose(int codePoint, List<int> output)
    {
        int syllable = codePoint - Syllables;
        if (syllable is >= 0 and < SyllableCount)
        {
            output.Add(Leads + (syllable / (VowelCount * TrailCount)));
            output.Add(Vowels + (syllable / TrailCount % VowelCount));
            if (syllable % TrailCount != 0)
                output.Add(Trails + (syllable % TrailCount));
            return;
        }
        if (codePoint < 0xC0 || !Data.Value.Parts.TryGetValue(codePoint, out (int First, int Second) parts))
        {
            output.Add(codePoint);
            return;
        }
        Decompose(parts.First, output);
        if (parts.Second != 0)
            Decompose(parts.Second, output);
    }

    // Combining marks between two characters of class 0 are sorted by their classes, stably.
    private static void Order(List<int> characters)
    {
        Dictionary<int, int> classes = Data.Value.Classes;
        int start = 0;
        while (start < characters.Count)
        {
            int end = start;
            while (end < characters.Count && classes.ContainsKey(characters[end]))
                end++;
            if (end - start > 1)
            {
                int[] sorted = [.. characters[start..end].OrderBy(c => classes[c])];
                for (int i = start; i < end; i++)
                    characters[i] = sorted[i - start];
            }
            start = end + 1;
        }
    }

    private static int Compose(List<int> characters)
    {
        Dictionary<int, int> classes = Data.Value.Classes;
        int count = 0;
        int starter = -1;
        int lastClass = 0;
        for (int i = 0; i < characters.Count; i++)
        {
            int codePoint = characters[i];
            int combiningClass = classes.GetValueOrDefault(codePoint);
            // A character composes with the last of class 0 if none of its own class or of class 0 stands between.
            bool isBlocked = starter < 0 || (count - 1 > starter && lastClass >= combiningClass);
            if (!isBlocked && Composed(characters[starter], codePoint) is var composed && composed > 0)
            {
                characters[starter] = composed;
                continue;
            }
            if (combiningClass == 0)
                starter = count;
            lastClass = combiningClass;
            characters[count++] = codePoint;
        }
        return count;
    }

    private static int Composed(int first, int second)
    {
        if (first - Leads is >= 0 and < 19 && second - Vowels is >= 0 and < VowelCount)
            return Syllables + ((((first - Leads) * VowelCount) + second - Vowels) * TrailCount);
        bool isOpenSyllable = first - Syllables is >= 0 and < SyllableCount && (first - Syllables) % TrailCount == 0;
        if (isOpenSyllable && second - Trails is > 0 and < TrailCount)
            return first + second - Trails;
        return Data.Value.Wholes.GetValueOrDefault((first, second));
    }

    private sealed record Tables(
        Dictionary<int, (int First, int Second)> Parts,
        Dictionary<(int First, int Second), int> Wholes,
        Dictionary<int, int> Classes,
        HashSet<int> MayChange)
    {
        public static Tables Read()
        {
            Tables tables = new([], [], [], []);
            for (int jamo = Vowels; jamo < Trails + TrailCount; jamo++)
                tables.MayChange.Add(jamo);
            using Stream stream = typeof(NormalForm).Assembly.GetManifestResourceStream("NormalForms.txt")!;
            using StreamReader reader = new(stream);
            while (reader.ReadLine() is { } line)
            {
                string[] fields = line.Split(' ');
                if (fields[0] == "#")
                    continue;
                if (fields.Length == 4)
                    tables.AddClass(Hex(fields[0]), Hex(fields[1]), int.Parse(fields[3], CultureInfo.InvariantCulture));
                else
                    tables.AddParts(Hex(fields[0].TrimEnd('!')), Hex(fields[1]), fields.Length == 3 ? Hex(fields[2]) : 0,
                        isComposed: !fields[0].EndsWith('!'));
            }
            return tables;

            static int Hex(string field) => int.Parse(field, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        }

        private void AddClass(int first, int last, int combiningClass)
        {
            for (int codePoint = first; codePoint <= last; codePoint++)
            {
                Classes[codePoint] = combiningClass;
                MayChange.Add(codePoint);
            }
        }

        private void AddParts(int whole, int first, int second, bool isComposed)
        {
            Parts[whole] = (first, second);
            if (isComposed)
                Wholes[(first, second)] = whole;
            else
                MayChange.Add(whole);
            if (second != 0)
                MayChange.Add(second);
        }
    }
}
