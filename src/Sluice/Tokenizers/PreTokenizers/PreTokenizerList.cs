using System.Collections.Frozen;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>
/// The pre-tokenizers by the names that <c>tokenizer.ggml.pre</c> has, with what else the name says of a vocabulary. The stages
/// are those of the tokenizers as they were published; a new family is one line here.
/// </summary>
internal static class PreTokenizerList
{
    private const string Newlines = @"[\r\n]";
    private const string Digits = @"\p{N}";
    private const string ThreeDigits = @"\p{N}{1,3}";
    private const string WideChinese = @"[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
    private const string ChineseAndKana = @"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
    private const string BloomWords = @" ?[^(\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+";
    private const string Punctuation = @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+";

    // A word, with or without the character before it, where a digit stands alone and lines end words (DeepSeek V3).
    private const string DeepSeekWords = Punctuation
        + @"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly OrderedDictionary<string, Entry> List = new(StringComparer.Ordinal)
    {
        ["default"] = new(() => [Split(@"[\p{P}$+<=>^~|]+"), new Gpt2(), Split(@"\p{N}+"), Split("[0-9][0-9][0-9]")]),
        ["gpt-2"] = new(() => [new Gpt2()],
            Aliases: "phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe gigachat a.x-4.0 mellum "
                + "modern-bert exaone4 mpt olmo jais trillion granite-docling"),
        ["starcoder"] = new(() => [Split(Digits), new Gpt2()],
            Aliases: "refact command-r smollm codeshell exaone minerva-7b mellum2"),
        ["llama-bpe"] = new(() => [new Cl100k(3)], IgnoreMerges: true, AddBos: true,
            Aliases: "llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano"),
        ["dbrx"] = new(() => [new Cl100k(3)], Aliases: "smaug-bpe glm4 chatglm-bpe"),
        ["qwen2"] = new(() => [new Cl100k(1)],
            Aliases: "qwen3 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2"),
        ["qwen35"] = new(() => [new Cl100k(1, marks: true)]),
        ["ufakzeka"] = new(() => [new Cl100k(1, contractions: false)]),
        ["laguna"] = new(() => [Split(@"[^\n]+|[\n]+"), new Cl100k(1)]),
        ["minicpm5"] = new(() => [Split(ThreeDigits), new Cl100k(int.MaxValue)], IgnoreMerges: true),
        ["gpt-4o"] = new(() => [new O200k(3, contractions: true)], Aliases: "o200k llama4 kanana2 talkie minimax-m2"),
        ["granite-embed-multi-97m"] = new(() => [new O200k(3, contractions: true)], IgnoreMerges: true),
        ["tekken"] = new(() => [new O200k(1, contractions: false)], IgnoreMerges: true, AddBos: true),
        ["tiny_aya"] = new(() => [new DigitGroups(CharKinds.Digit, wholeWords: true), new O200k(3, contractions: true)],
            Aliases: "cohere2moe"),
        ["falcon"] = new(() => [Split(@"[\p{P}$+<=>^~|`]+"), new Gpt2(), Split("[0-9][0-9][0-9]")]),
        ["deepseek-llm"] = new(() =>
            [
                Split(Newlines),
                Split($@"\s?[{CasedLetters.Class}]+"),
                Split(@"\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+"),
                Split(@"\s+$"),
                Split(WideChinese),
                Split(Digits),
            ]),
        ["deepseek-coder"] = new(() =>
            [Split(Newlines), Split(@"\s?\p{L}+"), Split(@"\s?\p{P}+"), Split(WideChinese), Split(Digits)]),
        ["deepseek-v3"] = new(() => [Split(ThreeDigits), Split(ChineseAndKana), Split(DeepSeekWords)],
            Aliases: "hunyuan-dense joyai-llm hy_v4"),
        ["afmoe"] = new(() =>
            [
                new DigitGroups(CharKinds.Number),
                Split(@"[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF"
                    + @"\u0E40-\u0E7F\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+"),
                Split(DeepSeekWords),
            ]),
        ["superbpe"] = new(() => [Split(@"\p{N}+"), new DigitGroups(CharKinds.Digit)]),
        ["bloom"] = new(() => [Split(BloomWords)], Aliases: "poro-chat gpt3-finnish"),
        ["viking"] = new(() => [Split(BloomWords), Split(Digits)]),
        ["bailingmoe"] = new(() => [Split(
            @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")],
            Aliases: "bailingmoe2 llada-moe"),
        ["seed-coder"] = new(() => [Split(
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+")]),
        ["exaone-moe"] = new(() => [Split(
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+")]),
        ["jais-2"] = new(() => [Split(
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
            + @"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)"
            + @"|\s{1,2}(?!\S)|\s")]),
        ["kimi-k2"] = new(() => [Split(Kimi())]),
        ["chameleon"] = new(() =>
            [
                Split("<sentinel:[0-9]+>"),
                Split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
                Split(@"([\t\n]|    |  )"),
                Split(Digits),
                Split(@"[\p{P}!-/:-@\[-`{-~]"),
                new Gpt2(),
            ], AddBos: true),
    };

    private static readonly FrozenDictionary<string, Entry> Entries = List
        .SelectMany(entry => entry.Value.Aliases.Split(' ', StringSplitOptions.RemoveEmptyEntries).Append(entry.Key)
            .Select(name => KeyValuePair.Create(name, entry.Value))).ToFrozenDictionary();

    /// <summary>All names.</summary>
    public static IEnumerable<string> Names => Entries.Keys;

    /// <summary>What a name means.</summary>
    /// <exception cref="NotSupportedException">The name is unknown.</exception>
    public static Entry Find(string name, string source) => Entries.TryGetValue(name, out Entry? entry)
        ? entry
        : throw new NotSupportedException($"{source}: {Vocabulary.PreKey} is '{name}', a pre-tokenizer that is not supported.");

    /// <summary>The names of those that cut texts into the same words, each with whether it ignores merges.</summary>
    public static IEnumerable<(string Name, bool IgnoreMerges)> NamesOf(PreTokenizer[] stages) => List
        .Where(entry => entry.Value.Stages().Select(stage => stage.Definition).SequenceEqual(stages.Select(stage => stage.Definition)))
        .Select(entry => (entry.Key, entry.Value.IgnoreMerges));

    private static PatternSplit Split(string pattern) => new(pattern);

    // Kimi K2: o200k's words, with Han apart.
    private static string Kimi()
    {
        const string Capital = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]";
        const string Small = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]";
        const string Suffix = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
        return $@"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{Capital}*{Small}+{Suffix}|[^\r\n\p{{L}}\p{{N}}]?{Capital}+{Small}*{Suffix}"
            + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    }

    /// <param name="Stages">Makes the stages.</param>
    /// <param name="IgnoreMerges">Whether a word that is a token is that token, whatever merges would make of it.</param>
    /// <param name="AddBos">Whether texts begin with a token for it, where the metadata do not say.</param>
    /// <param name="Aliases">Other names, separated by spaces.</param>
    internal sealed record Entry(
        Func<PreTokenizer[]> Stages, bool IgnoreMerges = false, bool AddBos = false, string Aliases = "");
}
