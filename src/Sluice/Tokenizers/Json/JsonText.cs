using System.Text.Json;
using Sluice.Tokenizers.PreTokenizers;

namespace Sluice.Tokenizers.Json;

/// <summary>
/// What a <c>tokenizer.json</c> does to a text before its model, and to pieces after it: its normalizer, pre_tokenizer and
/// decoder.
/// </summary>
internal sealed class JsonText
{
    private const string Mark = "▁";

    private readonly string _source;
    private readonly List<PreTokenizer> _stages = [];
    private bool _marksSpaces;

    public JsonText(JsonElement root, string source)
    {
        _source = source;
        IsByteLevel = Parts(root, "pre_tokenizer", "pretokenizers").Any(part => Type(part) == "ByteLevel")
            || Parts(root, "decoder", "decoders").Any(part => Type(part) == "ByteLevel");
        foreach (JsonElement part in Parts(root, "normalizer", "normalizers"))
            Normalizer(part);
        foreach (JsonElement part in Parts(root, "pre_tokenizer", "pretokenizers"))
            PreTokenizer(part);
        foreach (JsonElement part in Parts(root, "decoder", "decoders"))
            Decoder(part);
        if (_marksSpaces && Prefix is null)
            Prefix = SpacePrefix.Never;
        if (_stages.Count > Pieces.MaxStages)
            throw Unsupported("pre_tokenizer", $"a sequence of {_stages.Count} stages");
        Stages = [.. _stages];
    }

    /// <summary>Whether the model sees bytes, written as GPT-2 writes them.</summary>
    public bool IsByteLevel { get; }

    /// <summary>How the text is cut.</summary>
    public PreTokenizer[] Stages { get; }

    /// <summary>Whether a byte-level text begins with a space, even if it does not.</summary>
    public bool AddSpace { get; private set; }

    /// <summary>Whether the text is brought to normal form C.</summary>
    public bool Compose { get; private set; }

    /// <summary>Where spaces are put, if spaces are written U+2581.</summary>
    public SpacePrefix? Prefix { get; private set; }

    /// <summary>BERT's words, if it has them.</summary>
    public BertNormalizer? Bert { get; private set; }

    /// <summary>SentencePiece's normalization rules.</summary>
    public byte[]? CharsMap { get; private set; }

    /// <summary>Whether several spaces become one.</summary>
    public bool MergeSpaces { get; private set; }

    /// <summary>Whether decoding takes a leading space away.</summary>
    public bool StripsLeadingSpace { get; private set; }

    private static string? Type(JsonElement part) => part.GetProperty("type").GetString();

    // The parts of a sequence, also of nested ones, or the only part.
    private static IEnumerable<JsonElement> Parts(JsonElement root, string name, string inner)
    {
        if (!root.TryGetProperty(name, out JsonElement part) || part.ValueKind is JsonValueKind.Null)
            return [];
        return Flatten(part);

        IEnumerable<JsonElement> Flatten(JsonElement part) => Type(part) == "Sequence"
            ? part.GetProperty(inner).EnumerateArray().SelectMany(Flatten)
            : [part];
    }

    private void Normalizer(JsonElement part)
    {
        switch (Type(part))
        {
            case "NFC":
                Compose = true;
                break;
            case "Prepend" when part.GetProperty("prepend").GetString() == Mark:
                Prefix = SpacePrefix.Always;
                break;
            case "Replace" when Content(part, "pattern") is (" ", false) && part.GetProperty("content").GetString() == Mark:
                _marksSpaces = true;
                break;
            case "Replace" when Content(part, "pattern") is (" {2,}", true)
                && part.GetProperty("content").GetString() is " " or Mark:
                MergeSpaces = true;
                break;
            case "Strip":
                MergeSpaces = true; // of a unigram model, beside the rule before
                break;
            case "Precompiled":
                CharsMap = part.GetProperty("precompiled_charsmap").GetBytesFromBase64();
                break;
            case "BertNormalizer":
                bool lowercase = Is(part, "lowercase", true);
                if (!Is(part, "clean_text", true) || !Is(part, "handle_chinese_chars", true))
                    throw Unsupported("normalizer", "BertNormalizer without clean_text or handle_chinese_chars");
                Bert = new(lowercase, Is(part, "strip_accents", lowercase));
                break;
            case var type:
                throw Unsupported("normalizer.type", type ?? "null");
        }
    }

    private void PreTokenizer(JsonElement part)
    {
        switch (Type(part))
        {
            case "ByteLevel":
                AddSpace = Is(part, "add_prefix_space", true);
                if (AddSpace && _stages.Count > 0)
                    throw Unsupported("pre_tokenizer.add_prefix_space", "true after another stage");
                if (Is(part, "use_regex", true))
                    _stages.Add(new Gpt2());
                break;
            case "Split":
                Split(part);
                break;
            case "Digits":
                _stages.Add(new PatternSplit(Is(part, "individual_digits", false) ? @"\p{N}" : @"\p{N}+"));
                break;
            case "Punctuation":
                string? behavior = part.TryGetProperty("behavior", out JsonElement value) ? value.GetString() : "Isolated";
                // As the list of pre-tokenizers writes the same characters.
                const string Class = @"[\p{P}$+<=>^~|`]";
                _stages.Add(behavior == "Contiguous" ? new PatternSplit(Class + "+") : PatternStage(Class, behavior, invert: false));
                break;
            case "Whitespace":
                _stages.Add(new PatternSplit(@"\w+|[^\w\s]+", dropGaps: true));
                break;
            case "WhitespaceSplit" when IsByteLevel:
                _stages.Add(new PatternSplit(@"\S+", dropGaps: true));
                break;
            case "WhitespaceSplit":
                MergeSpaces = true; // of a unigram model, before Metaspace
                break;
            case "BertPreTokenizer" when Bert is not null:
                break; // what BertNormalizer's words are
            case "Metaspace":
                Metaspace(part);
                break;
            case var type:
                throw Unsupported("pre_tokenizer.type", type ?? "null");
        }
    }

    private void Split(JsonElement part)
    {
        (string pattern, bool isRegex) = Content(part, "pattern");
        string? behavior = part.GetProperty("behavior").GetString();
        if (_marksSpaces && pattern == " ")
            return; // there are no spaces any more
        if (!isRegex)
            pattern = string.Concat(pattern.Select(c => char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) ? $"\\{c}" : $"{c}"));
        _stages.Add(PatternStage(pattern, behavior, Is(part, "invert", false)));
    }

    private PreTokenizer PatternStage(string pattern, string? behavior, bool invert) => behavior switch
    {
        "Isolated" => FastPatterns.Split(pattern),
        "Removed" => new PatternSplit(pattern, dropMatches: !invert, dropGaps: invert),
        "Contiguous" when !invert => new PatternSplit($"(?:{pattern})+"),
        _ => throw Unsupported("pre_tokenizer.behavior", invert ? $"{behavior}, inverted" : $"{behavior}"),
    };

    private void Metaspace(JsonElement part)
    {
        _marksSpaces = true;
        if (part.TryGetProperty("replacement", out JsonElement replacement) && replacement.GetString() != Mark)
            throw Unsupported("pre_tokenizer.replacement", replacement.GetString() ?? "null");
        string scheme = part.TryGetProperty("prepend_scheme", out JsonElement value) && value.ValueKind is JsonValueKind.String
            ? value.GetString()!
            : Is(part, "add_prefix_space", true) ? "always" : "never";
        Prefix = scheme switch
        {
            "always" => SpacePrefix.UnlessPresent,
            "first" => SpacePrefix.StartUnlessPresent,
            "never" => SpacePrefix.Never,
            _ => throw Unsupported("pre_tokenizer.prepend_scheme", scheme),
        };
        if (Is(part, "split", true))
            _stages.Add(new SpaceMarkedWords(eachSpace: true));
    }

    private void Decoder(JsonElement part)
    {
        switch (Type(part))
        {
            case "ByteLevel" or "ByteFallback" or "Fuse" or "Replace":
                break; // the pieces are text already
            case "Strip":
                StripsLeadingSpace |= part.GetProperty("content").GetString() == " " && part.GetProperty("start").GetInt32() > 0;
                break;
            case "Metaspace":
                StripsLeadingSpace |= Prefix is not (null or SpacePrefix.Never);
                break;
            case "WordPiece":
                StripsLeadingSpace = true;
                break;
            case var type:
                throw Unsupported("decoder.type", type ?? "null");
        }
    }

    private static bool Is(JsonElement part, string name, bool fallback) =>
        part.TryGetProperty(name, out JsonElement value) && value.ValueKind is not JsonValueKind.Null
            ? value.GetBoolean()
            : fallback;

    // {"String": "..."} or {"Regex": "..."}
    private static (string Pattern, bool IsRegex) Content(JsonElement part, string name)
    {
        JsonElement pattern = part.GetProperty(name);
        return pattern.TryGetProperty("Regex", out JsonElement regex)
            ? (regex.GetString()!, true)
            : (pattern.GetProperty("String").GetString()!, false);
    }

    private NotSupportedException Unsupported(string key, string value) =>
        new($"{_source}: {key} is {value}, which is not supported.");
}
