using System.Text;
using Sluice.Tokenizers.Bpe;
using Sluice.Tokenizers.PreTokenizers;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.Json;

/// <summary>
/// The vocabulary of a <c>tokenizer.json</c> as GGUF describes vocabularies: by the name of its pre-tokenizer, or by scores. What GGUF
/// cannot say is refused, or, where others leave it out too, told.
/// </summary>
/// <param name="table">The tokens.</param>
/// <param name="text">What is done to a text.</param>
/// <param name="merges">The merges, as GGUF writes them.</param>
internal sealed class JsonVocabulary(TokenTable table, JsonText text, string[] merges)
{
    /// <summary>Byte-level BPE: GGUF's model <c>gpt2</c>.</summary>
    /// <param name="mergeTable">The merges.</param>
    /// <param name="ignoreMerges">Whether a word that is a token is that token, whatever merges would make of it.</param>
    /// <param name="losses">What GGUF has no keys for is added.</param>
    /// <exception cref="NotSupportedException">Its pre-tokenizer has no name.</exception>
    public Vocabulary ByteLevel(MergeTable mergeTable, bool ignoreMerges, List<string> losses)
    {
        if (text.AddSpace)
            throw new NotSupportedException("its texts begin with a space");
        (string Name, bool IgnoreMerges)[] names = [.. PreTokenizerList.NamesOf(text.Stages)];
        if (names.Length == 0)
            throw new NotSupportedException("its pre_tokenizer is none of those that GGUF has names for");
        string? pre = names.FirstOrDefault(name => name.IgnoreMerges == ignoreMerges).Name;
        // Where merges make every token, it makes no difference.
        if (pre is null && MergesMakeEveryToken(mergeTable))
            pre = names[0].Name;
        if (pre is null)
            throw new NotSupportedException($"its pre_tokenizer, {names[0].Name}, goes with another model.ignore_merges in GGUF");
        if (text.Compose)
            losses.Add("texts are brought to normal form C");
        return Make("gpt2", pre, null, new ByteStrings(merges), [], losses);
    }

    /// <summary>SentencePiece's BPE: GGUF's model <c>llama</c>, whose scores say which tokens are merged first.</summary>
    /// <param name="mergeTable">The merges.</param>
    /// <param name="byteFallback">Whether what has no token is written as its bytes.</param>
    /// <param name="losses">What GGUF has no keys for is added.</param>
    /// <exception cref="NotSupportedException">Merges are not such as scores make.</exception>
    public Vocabulary SentencePiece(MergeTable mergeTable, bool byteFallback, List<string> losses)
    {
        if (!byteFallback)
            throw new NotSupportedException("it has no byte_fallback");
        if (text.Stages.Length > 0 && CrossesWords() is { } crossing)
            throw new NotSupportedException($"its words are cut at spaces, and its token '{crossing}' goes over one");
        float[] scores = Scores(mergeTable);
        bool addSpace = text.Prefix is not SpacePrefix.Never;
        if (text.Prefix is SpacePrefix.UnlessPresent or SpacePrefix.StartUnlessPresent)
            losses.Add(text.Prefix is SpacePrefix.UnlessPresent ? "texts that begin with a space get no other" : "only the text's beginning gets a space, if it has none");
        if (table.StripsLeadingSpace != addSpace)
            losses.Add($"decoding {(addSpace ? "keeps" : "takes away")} a leading space");
        return Make("llama", "default", scores, null, new() { ["add_space_prefix"] = addSpace }, losses);
    }

    private Vocabulary Make(string model, string pre, float[]? scores, ByteStrings? mergeTexts, Dictionary<string, bool> flags, List<string> losses)
    {
        flags["add_bos_token"] = IsOnly(table.Prefix, table.Bos, "before");
        flags["add_eos_token"] = IsOnly(table.Suffix, table.Eos, "after");
        if (table.StripsLeft.Count + table.StripsRight.Count > 0)
            losses.Add("some special tokens take the white space beside them along");
        Dictionary<string, long> ids = [];
        foreach ((string name, int? id) in ((string, int?)[])[("bos", table.Bos), ("eos", table.Eos), ("unknown", table.Unknown), ("padding", table.Padding)])
        {
            if (id is { } token)
                ids[name] = token;
        }
        return new()
        {
            Model = model,
            Pre = pre,
            Tokens = table.Texts,
            Types = Array.ConvertAll(table.Types, type => (int)type),
            Scores = scores,
            Merges = mergeTexts,
            Ids = ids,
            Flags = flags,
        };
    }

    private bool IsOnly(int[] added, int? token, string where) => added.Length != 0
        && (added is [var only] && only == token ? true : throw new NotSupportedException($"it puts other tokens {where} a text than one that marks it"));

    private bool MergesMakeEveryToken(MergeTable mergeTable)
    {
        BpeModel.Session session = new BpeModel(new ByteAlphabet(table.Map, table.Unknown ?? -1), mergeTable).Rent();
        List<int> made = [];
        for (int id = 0; id < table.Count; id++)
        {
            if (table.Types[id] is not TokenType.Normal || table.Pieces[id].Length == 0)
                continue;
            made.Clear();
            session.Encode(table.Pieces[id], made);
            if (made is not [var only] || only != id)
                return false;
        }
        return true;
    }

    private string? CrossesWords()
    {
        for (int id = 0; id < table.Count; id++)
        {
            if (table.Types[id] is TokenType.Normal && table.Texts[id].LastIndexOf(PieceBytes.SpaceMark) > 0)
                return table.Texts.Text(id);
        }
        return null;
    }

    /// <summary>
    /// Scores that make the same merges: those of one token follow each other, and every way to make it of two tokens is among them. A
    /// token's score is the place of its merges, with those first the best.
    /// </summary>
    private float[] Scores(MergeTable mergeTable)
    {
        float[] scores = new float[table.Count];
        bool[] hasMerges = new bool[table.Count];
        int last = -1, place = 0;
        foreach (string merge in merges)
        {
            int space = merge.IndexOf(' ', 1), id = Find(merge[..space] + merge[(space + 1)..]);
            if (id == last)
                continue;
            if (hasMerges[id])
                throw new NotSupportedException($"its merges to '{table.Texts.Text(id)}' are not all of one rank");
            (hasMerges[id], scores[id], last) = (true, -place++, id);
        }
        for (int id = 0; id < table.Count; id++)
        {
            if (table.Types[id] is TokenType.Normal && !hasMerges[id])
                scores[id] = -place;
            if (table.Types[id] is TokenType.Normal)
                CheckSplits(id, mergeTable);
        }
        return scores;
    }

    private void CheckSplits(int id, MergeTable mergeTable)
    {
        ReadOnlySpan<byte> whole = table.Texts[id];
        for (int split = 0; split < whole.Length;)
        {
            if (split > 0)
            {
                ReadOnlySpan<byte> left = whole[..split], right = whole[split..];
                if (IsSymbol(left) && IsSymbol(right) && mergeTable.Find(table.Map.Find(left), table.Map.Find(right)) == MergeTable.None)
                {
                    throw new NotSupportedException(
                        $"it does not merge '{Encoding.UTF8.GetString(left)}' and '{Encoding.UTF8.GetString(right)}' to '{table.Texts.Text(id)}', which scores cannot say");
                }
            }
            Utf8Char.CodePointAt(whole, split, out int length);
            split += length;
        }
    }

    // With scores, characters merge whether they are tokens themselves or not.
    private bool IsSymbol(ReadOnlySpan<byte> part)
    {
        int id = table.Map.Find(part);
        Utf8Char.CodePointAt(part, 0, out int length);
        return id >= 0 ? table.Types[id] is TokenType.Normal : length == part.Length;
    }

    private int Find(string token) => table.Map.Find(Encoding.UTF8.GetBytes(token));
}
