using System.Globalization;
using System.Text;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers;

/// <summary>
/// BERT's words (Devlin et al. 2018): what white space divides, each punctuation mark and each Chinese character; control
/// characters left out.
/// </summary>
/// <param name="lowercase">Whether letters become small.</param>
/// <param name="stripAccents">Whether marks above and below letters are left out.</param>
internal sealed class BertNormalizer(bool lowercase, bool stripAccents)
{
    /// <summary>Calls back for each word.</summary>
    public void ForEachWord(ReadOnlySpan<byte> text, Action<List<Rune>> onWord)
    {
        List<Rune> word = [];
        List<int> parts = [];
        for (int i = 0; i < text.Length;)
        {
            parts.Clear();
            int codePoint = Utf8Char.CodePointAt(text, i, out int length);
            i += length;
            if (stripAccents)
                NormalForm.Decompose(codePoint, parts);
            else
                parts.Add(codePoint);
            foreach (int part in parts)
                Add(part);
        }
        End();

        void Add(int codePoint)
        {
            CharKinds kinds = Utf8Char.Classify(codePoint);
            if ((kinds & CharKinds.Space) != 0)
            {
                End();
                return;
            }
            if (codePoint == 0xFFFD || (kinds & CharKinds.Control) != 0)
                return;
            if (stripAccents && CharUnicodeInfo.GetUnicodeCategory(codePoint) is UnicodeCategory.NonSpacingMark)
                return;
            Rune rune = new(codePoint);
            if (lowercase)
                rune = Rune.ToLowerInvariant(rune);
            bool isAlone = (kinds & CharKinds.Punctuation) != 0 || (codePoint < 0x7F && (kinds & CharKinds.Symbol) != 0)
                || IsChinese(codePoint);
            if (isAlone)
                End();
            word.Add(rune);
            if (isAlone)
                End();
        }

        void End()
        {
            if (word.Count > 0)
                onWord(word);
            word.Clear();
        }
    }

    // The blocks that BERT's published tokenizer has (2B920 for 2B820 included).
    private static bool IsChinese(int c) => c
        is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
