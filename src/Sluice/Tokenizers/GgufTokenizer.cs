using System.Collections.Frozen;
using System.Text;
using Sluice.Tokenizers.Bpe;
using Sluice.Tokenizers.PreTokenizers;

namespace Sluice.Tokenizers;

/// <summary>Makes the tokenizer that a GGUF vocabulary describes, with the defaults that the format's engines have.</summary>
internal static class GgufTokenizer
{
    /// <exception cref="InvalidDataException">The vocabulary is not consistent; the message names the key.</exception>
    /// <exception cref="NotSupportedException">Its model or pre-tokenizer is unknown.</exception>
    public static Tokenizer Create(Vocabulary vocabulary)
    {
        if (vocabulary.Tokens.Count == 0)
            throw vocabulary.Bad(Vocabulary.TokensKey, "it is empty");
        return vocabulary.Model switch
        {
            "llama" => SentencePiece(vocabulary),
            "gpt2" => ByteLevel(vocabulary),
            "bert" => WordPiece(vocabulary),
            "t5" => Unigram(vocabulary),
            _ => throw new NotSupportedException(
                $"{vocabulary.Source}: {Vocabulary.ModelKey} is '{vocabulary.Model}', a tokenizer that is not supported."),
        };
    }

    private static SentencePieceTokenizer SentencePiece(Vocabulary vocabulary)
    {
        bool addSpace = vocabulary.Flag("add_space_prefix", true);
        TokenTable table = Table(
            vocabulary, PieceStyle.Spaces, addSpace, addBos: true, defaultBos: 1, defaultEos: 2, defaultUnknown: 0);
        return SentencePieceTokenizer.FromScores(table, Scores(vocabulary), vocabulary,
            addSpace ? SpacePrefix.Always : SpacePrefix.Never);
    }

    private static ByteLevelTokenizer ByteLevel(Vocabulary vocabulary)
    {
        PreTokenizerList.Entry pre = PreTokenizerList.Find(vocabulary.Pre ?? "default", vocabulary.Source);
        TokenTable table = Table(vocabulary, PieceStyle.Bytes, addSpace: false, addBos: pre.AddBos);
        ByteStrings merges = vocabulary.Merges ?? throw vocabulary.Bad(Vocabulary.MergesKey, "it is missing");
        MergeTable mergeTable = MergeReader.Read(merges, table.Map, what => vocabulary.Bad(Vocabulary.MergesKey, what));
        return new(table, mergeTable, pre.Stages(), pre.IgnoreMerges);
    }

    private static WordPieceTokenizer WordPiece(Vocabulary vocabulary)
    {
        bool lowercase = vocabulary.Flag("normalizer.lowercase", true);
        bool stripAccents = vocabulary.Flag("normalizer.strip_accents", lowercase);
        TokenTable table = Table(vocabulary, PieceStyle.Spaces, addSpace: true, addBos: true, defaultUnknown: 100, isBert: true);
        return new(table, new BertNormalizer(lowercase, stripAccents));
    }

    private static UnigramTokenizer Unigram(Vocabulary vocabulary)
    {
        bool addSpace = vocabulary.Flag("add_space_prefix", false);
        TokenTable table = Table(
            vocabulary, PieceStyle.Spaces, addSpace, addBos: false, addEos: true, defaultEos: 1, defaultUnknown: 2);
        if (table.Unknown is null)
            throw vocabulary.Bad("tokenizer.ggml.unknown_token_id", "it is missing");
        PrecompiledCharsMap? charsMap = vocabulary.PrecompiledCharsMap is { Length: > 0 } bytes
            ? PrecompiledCharsMap.Parse(bytes, what => vocabulary.Bad(Vocabulary.CharsMapKey, what))
            : null;
        return new(table, Scores(vocabulary), charsMap, addSpace, vocabulary.Flag("remove_extra_whitespaces", false));
    }

    private static float[] Scores(Vocabulary vocabulary)
    {
        float[] scores = vocabulary.Scores ?? throw vocabulary.Bad(Vocabulary.ScoresKey, "it is missing");
        if (scores.Length < vocabulary.Tokens.Count)
            throw vocabulary.Bad(Vocabulary.ScoresKey, $"{scores.Length} scores for {vocabulary.Tokens.Count} tokens");
        if (scores.AsSpan().IndexOf(float.NaN) is var bad && bad >= 0)
            throw vocabulary.Bad(Vocabulary.ScoresKey, $"the score of token {bad} is not a number");
        return scores;
    }

    private static TokenTable Table(
        Vocabulary vocabulary, PieceStyle style, bool addSpace, bool addBos, bool addEos = false,
        int? defaultBos = null, int? defaultEos = null, int? defaultUnknown = null, bool isBert = false)
    {
        ByteStrings tokens = vocabulary.Tokens;
        TokenMap map = TokenTable.MapTexts(tokens, $"{vocabulary.Source}: {Vocabulary.TokensKey}");
        TokenType[] types = Types(vocabulary);
        int? bos = isBert ? vocabulary.Id("cls", vocabulary.Id("bos", 101)) : vocabulary.Id("bos", defaultBos);
        int? eos = isBert ? vocabulary.Id("seperator", vocabulary.Id("eos", 102)) : vocabulary.Id("eos", defaultEos);
        int?[] ends = [isBert ? null : eos, .. EndNames.Select(name => vocabulary.Id(name))];
        FrozenSet<int> endOfGeneration = SpecialTokens.Complete(
            map, types, ends.OfType<int>().Concat(vocabulary.Ends.Where(end => end >= 0 && end < tokens.Count)));
        (FrozenSet<int> left, FrozenSet<int> right) = Strips(vocabulary, map, types);
        return new()
        {
            Texts = tokens,
            Map = map,
            Types = types,
            Pieces = PieceBytes.Of(tokens, types, style, what => vocabulary.Bad(Vocabulary.TokensKey, what)),
            StripsLeft = left,
            StripsRight = right,
            Bos = bos,
            Eos = eos,
            Unknown = vocabulary.Id("unknown", defaultUnknown),
            Padding = vocabulary.Id("padding"),
            Prefix = Added(vocabulary, "add_bos_token", "bos", addBos, bos, isBert),
            Suffix = Added(vocabulary, "add_eos_token", "eos", addEos || isBert, eos, isBert),
            EndOfGeneration = endOfGeneration,
            StripsLeadingSpace = addSpace,
        };
    }

    private static readonly string[] EndNames = ["eot", "eom", "fim_pad", "fim_rep", "fim_sep"];

    // BERT's two are there whatever the flags say.
    private static int[] Added(Vocabulary vocabulary, string flag, string name, bool fallback, int? id, bool always)
    {
        if (!always && !vocabulary.Flag(flag, fallback))
            return [];
        return id is { } token
            ? [token]
            : throw vocabulary.Bad($"tokenizer.ggml.{name}_token_id", $"it is missing, but texts are to have it ({flag})");
    }

    private static TokenType[] Types(Vocabulary vocabulary)
    {
        TokenType[] types = new TokenType[vocabulary.Tokens.Count];
        types.AsSpan().Fill(TokenType.Normal);
        if (vocabulary.Types is not { } numbers)
            return types;
        if (numbers.Length < types.Length)
            throw vocabulary.Bad(Vocabulary.TypesKey, $"{numbers.Length} types for {types.Length} tokens");
        for (int i = 0; i < types.Length; i++)
            types[i] = numbers[i] is >= 0 and <= (int)TokenType.Byte ? (TokenType)numbers[i] : TokenType.Undefined;
        return types;
    }

    // GGUF does not say which special tokens swallow the white space beside them; engines know it of these models.
    private static (FrozenSet<int> Left, FrozenSet<int> Right) Strips(Vocabulary vocabulary, TokenMap map, TokenType[] types)
    {
        string name = vocabulary.ModelName.ToLowerInvariant();
        string pre = vocabulary.Pre ?? "";
        if (pre.Contains("jina-v2-de") || pre.Contains("jina-v2-es") || pre.Contains("jina-v2-code")
            || vocabulary.Architecture.Contains("nomic-bert-moe") || vocabulary.Architecture.Contains("jina-bert-v3"))
        {
            return (Named("<mask>"), FrozenSet<int>.Empty);
        }
        if (name.Contains("phi-3") || name.Contains("phi3"))
        {
            IEnumerable<int> special = Enumerable.Range(0, types.Length)
                .Where(id => types[id] is TokenType.Control or TokenType.UserDefined or TokenType.Unknown);
            return (FrozenSet<int>.Empty,
                special.Concat(Named("</s>")).Except(Named("<unk>", "<s>", "<|endoftext|>")).ToFrozenSet());
        }
        return (name.Contains("modern-bert") ? Named("[MASK]") : FrozenSet<int>.Empty, FrozenSet<int>.Empty);

        FrozenSet<int> Named(params string[] names) =>
            names.Select(text => map.Find(Encoding.UTF8.GetBytes(text))).Where(id => id >= 0).ToFrozenSet();
    }
}
