using System.Collections.Frozen;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Sluice.Files;
using Sluice.Tokenizers.Bpe;

namespace Sluice.Tokenizers.Json;

/// <summary>
/// Makes the tokenizer that a Hugging Face <c>tokenizer.json</c> describes: byte-level BPE, SentencePiece's BPE, WordPiece and
/// unigram. Parts of the format that would change the tokens and that this does not know are refused.
/// </summary>
internal sealed class TokenizerJson
{
    // How many ids more than tokens there may be; further ones are taken for damage rather than for a reason to allocate.
    private const int MaxHoles = 1 << 16;

    private readonly string _source;
    private readonly JsonElement _root;
    private readonly JsonElement _model;
    private readonly JsonSpecialIds _ids;
    private readonly JsonText _text;

    private TokenizerJson(JsonElement root, string source, JsonSpecialIds ids)
    {
        (_root, _source, _ids) = (root, source, ids);
        _model = Member(root, "model");
        _text = new(root, source);
    }

    /// <param name="json">The file's content.</param>
    /// <param name="source">The file, for messages.</param>
    /// <param name="ids">What other files say of special tokens.</param>
    /// <exception cref="InvalidDataException">It is damaged; the message names file and key.</exception>
    /// <exception cref="NotSupportedException">It needs more than this knows; the message names file, key and value.</exception>
    public static Tokenizer Parse(ReadOnlyMemory<byte> json, string source, JsonSpecialIds ids) =>
        Read(json, source, ids, tokenizer => tokenizer.Create());

    /// <summary>The same vocabulary as GGUF describes vocabularies.</summary>
    /// <param name="json">The file's content.</param>
    /// <param name="source">The file, for messages.</param>
    /// <param name="ids">What other files say of special tokens.</param>
    /// <param name="losses">What GGUF has no keys for is added.</param>
    /// <exception cref="InvalidDataException">It is damaged; the message names file and key.</exception>
    /// <exception cref="NotSupportedException">It cannot be described so, or not be read at all; the message says why.</exception>
    public static Vocabulary Describe(ReadOnlyMemory<byte> json, string source, JsonSpecialIds ids, List<string> losses) =>
        Read(json, source, ids, tokenizer => tokenizer.Describe(losses));

    private static T Read<T>(ReadOnlyMemory<byte> json, string source, JsonSpecialIds ids, Func<TokenizerJson, T> read)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return read(new TokenizerJson(document.RootElement, source, ids));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // The last two: a value of another kind or range than expected.
            throw new InvalidDataException($"{source}: {e.Message}", e);
        }
    }

    private string ModelType => _model.TryGetProperty("type", out JsonElement name) && name.ValueKind is JsonValueKind.String
            ? name.GetString()!
            : Infer();

    private Tokenizer Create()
    {
        string type = ModelType;
        return type switch
        {
            "BPE" when _text.IsByteLevel => ByteLevel(),
            "BPE" => SentencePiece(),
            "WordPiece" => WordPiece(),
            "Unigram" => Unigram(),
            _ => throw Unsupported("model.type", type),
        };
    }

    private Vocabulary Describe(List<string> losses)
    {
        if (ModelType != "BPE")
            throw new NotSupportedException($"a model of type {ModelType} is not written");
        Tokenizer tokenizer = Create(); // what cannot be read is not written
        TokenTable table = Table(_text.IsByteLevel ? PieceStyle.Bytes : PieceStyle.Spaces, text => text);
        JsonVocabulary vocabulary = new(
            table, _text, [.. Member(_model, "merges").EnumerateArray().Select(merge => merge.ValueKind is JsonValueKind.String
                ? merge.GetString()!
                : $"{merge[0].GetString()} {merge[1].GetString()}")]);
        return tokenizer is ByteLevelTokenizer
            ? vocabulary.ByteLevel(Merges(table), Flag("ignore_merges"), losses)
            : vocabulary.SentencePiece(Merges(table), Flag("byte_fallback"), losses);
    }

    private string Infer() => _model.TryGetProperty("merges", out _) ? "BPE"
        : Member(_model, "vocab").ValueKind is JsonValueKind.Array ? "Unigram"
        : "WordPiece";

    private ByteLevelTokenizer ByteLevel()
    {
        if (_text.MergeSpaces || _text.CharsMap is not null || _text.Prefix is not null || _text.Bert is not null)
            throw Unsupported("normalizer", "made for another model than byte-level BPE");
        TokenTable table = Table(PieceStyle.Bytes, text => text);
        return new(table, Merges(table), _text.Stages, Flag("ignore_merges"), _text.AddSpace, _text.Compose);
    }

    private SentencePieceTokenizer SentencePiece()
    {
        if (_text.Prefix is not { } prefix)
            throw Unsupported("pre_tokenizer", "neither ByteLevel nor one that writes spaces as U+2581");
        if (_text.Compose || _text.MergeSpaces || _text.CharsMap is not null || _text.Bert is not null)
            throw Unsupported("normalizer", "more than writing spaces as U+2581");
        TokenTable table = Table(PieceStyle.Spaces, text => text);
        return SentencePieceTokenizer.FromMerges(
            table, Merges(table), prefix, Flag("byte_fallback"), _text.Stages.Length > 0 ? _text.Stages : null);
    }

    private WordPieceTokenizer WordPiece()
    {
        string continuing = _model.TryGetProperty("continuing_subword_prefix", out JsonElement prefix)
            ? prefix.GetString() ?? ""
            : "##";
        HashSet<string> added = [.. AddedTokens().Select(token => token.Text)];
        // As GGUF has it: a mark on words' beginnings rather than on the rest.
        TokenTable table = Table(PieceStyle.Spaces, text => added.Contains(text) ? text
            : text.StartsWith(continuing, StringComparison.Ordinal) ? text[continuing.Length..]
            : "▁" + text);
        int longest = _model.TryGetProperty("max_input_chars_per_word", out JsonElement max) ? max.GetInt32() : 100;
        return new(table, _text.Bert ?? throw Unsupported("normalizer", "none of BERT's"), longest);
    }

    private UnigramTokenizer Unigram()
    {
        if (_text.Compose || _text.Bert is not null || _text.Stages.Any(stage => stage is not PreTokenizers.SpaceMarkedWords))
            throw Unsupported("pre_tokenizer", "made for another model than unigram");
        JsonElement vocabulary = Member(_model, "vocab");
        float[] scores = [.. vocabulary.EnumerateArray().Select(entry => entry[1].GetSingle())];
        TokenTable table = Table(PieceStyle.Spaces, text => text);
        if (table.Unknown is null)
            throw Bad("model.unk_id", "it is missing");
        Array.Resize(ref scores, table.Count);
        PrecompiledCharsMap? map = _text.CharsMap is { } bytes
            ? PrecompiledCharsMap.Parse(bytes, what => Bad("normalizer.precompiled_charsmap", what))
            : null;
        return new(table, scores, map, _text.Prefix is not (null or SpacePrefix.Never), _text.MergeSpaces);
    }

    private TokenTable Table(PieceStyle style, Func<string, string> rewrite)
    {
        List<AddedToken> added = AddedTokens();
        Dictionary<int, string> texts = [];
        foreach ((string text, int id) in Vocabulary())
        {
            if (!texts.TryAdd(id, rewrite(text)))
                throw Bad("model.vocab", $"two tokens have the id {id}");
        }
        foreach (AddedToken token in added)
        {
            if (texts.TryGetValue(token.Id, out string? other) && other != token.Text)
                throw Bad("added_tokens", $"token {token.Id} is '{token.Text}' here and '{other}' in model.vocab");
            texts[token.Id] = token.Text;
        }
        if (texts.Count == 0)
            throw Bad("model.vocab", "it is empty");

        int last = texts.Keys.Max();
        if (last - texts.Count > MaxHoles)
            throw Bad("model.vocab", $"the id {last} is too large for {texts.Count} tokens");
        int count = last + 1;
        ByteStrings strings = new(count);
        TokenType[] types = new TokenType[count];
        bool byteFallback = Flag("byte_fallback");
        for (int id = 0; id < count; id++)
        {
            if (texts.TryGetValue(id, out string? text))
            {
                strings.Add(text);
                types[id] = byteFallback && TokenTable.ByteOf(strings[id]) >= 0 ? TokenType.Byte : TokenType.Normal;
            }
            else
            {
                strings.Add("");
            }
        }
        foreach (AddedToken token in added)
            types[token.Id] = token.IsSpecial ? TokenType.Control : TokenType.UserDefined;
        TokenMap map = TokenTable.MapTexts(strings, $"{_source}: model.vocab");
        int? unknown = Unknown(map);
        if (unknown is { } id0 && types[id0] is TokenType.Control or TokenType.Normal)
            types[unknown.Value] = TokenType.Unknown;

        (int[] before, int[] after) = JsonTemplate.Read(_root, _source, map);
        int? bos = _ids.Bos is { } bosText ? Find(map, bosText, "bos_token") : before is [int first, ..] ? first : null;
        int? eos = _ids.Eos is { } eosText ? Find(map, eosText, "eos_token") : after is [.., int final] ? final : null;
        IEnumerable<int> ends = _ids.Ends.Where(end => end >= 0 && end < count).Concat(eos is { } end ? [end] : []);
        FrozenSet<int> endOfGeneration = SpecialTokens.Complete(map, types, ends);
        return new()
        {
            Texts = strings,
            Map = map,
            Types = types,
            Pieces = PieceBytes.Of(strings, types, style, what => Bad("model.vocab", what)),
            StripsLeft = added.Where(token => token.StripsLeft).Select(token => token.Id).ToFrozenSet(),
            StripsRight = added.Where(token => token.StripsRight).Select(token => token.Id).ToFrozenSet(),
            Prefix = before,
            Suffix = after,
            Bos = bos,
            Eos = eos,
            Unknown = unknown,
            Padding = _ids.Padding is { } padding ? Find(map, padding, "pad_token") : null,
            EndOfGeneration = endOfGeneration,
            StripsLeadingSpace = _text.StripsLeadingSpace,
        };
    }

    private IEnumerable<(string Text, int Id)> Vocabulary()
    {
        JsonElement vocabulary = Member(_model, "vocab");
        int next = 0;
        if (vocabulary.ValueKind is JsonValueKind.Array)
        {
            foreach (JsonElement entry in vocabulary.EnumerateArray())
                yield return (entry[0].GetString()!, next++);
            yield break;
        }
        foreach (JsonProperty entry in vocabulary.EnumerateObject())
            yield return (entry.Name, CheckId(entry.Value.GetInt32(), "model.vocab"));
    }

    private MergeTable Merges(TokenTable table)
    {
        foreach (string name in (ReadOnlySpan<string>)["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (_model.TryGetProperty(name, out JsonElement value) && value.ValueKind is JsonValueKind.String
                && value.GetString()!.Length > 0)
            {
                throw Unsupported($"model.{name}", value.GetString()!);
            }
        }
        JsonElement merges = Member(_model, "merges");
        MergeReader reader = new(table.Map, merges.GetArrayLength(), what => Bad("model.merges", what));
        foreach (JsonElement merge in merges.EnumerateArray())
        {
            if (merge.ValueKind is JsonValueKind.String)
                reader.Add(Utf8(merge));
            else if (merge.GetArrayLength() == 2)
                reader.Add(Utf8(merge[0]), Utf8(merge[1]));
            else
                throw Bad("model.merges", $"a merge has {merge.GetArrayLength()} parts");
        }
        return reader.Table;
    }

    // A string's bytes, mostly without a copy: only those with escapes need one.
    private static ReadOnlySpan<byte> Utf8(JsonElement text)
    {
        if (text.ValueKind is not JsonValueKind.String)
            throw new FormatException($"{text} is no string");
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        return raw.Contains((byte)'\\') ? Encoding.UTF8.GetBytes(text.GetString()!) : raw;
    }

    private List<AddedToken> AddedTokens()
    {
        List<AddedToken> tokens = [];
        if (!_root.TryGetProperty("added_tokens", out JsonElement array) || array.ValueKind is JsonValueKind.Null)
            return tokens;
        foreach (JsonElement token in array.EnumerateArray())
        {
            string text = Member(token, "content").GetString()!;
            if (Is(token, "single_word"))
                throw Unsupported("added_tokens.single_word", $"true (of '{text}')");
            int id = CheckId(Member(token, "id").GetInt32(), "added_tokens.id");
            tokens.Add(new(id, text, Is(token, "special"), Is(token, "lstrip"), Is(token, "rstrip")));
        }
        return tokens;

        static bool Is(JsonElement token, string name) => token.TryGetProperty(name, out JsonElement value) && value.GetBoolean();
    }

    private int? Unknown(TokenMap map)
    {
        if (_model.TryGetProperty("unk_id", out JsonElement id) && id.ValueKind is JsonValueKind.Number)
            return CheckId(id.GetInt32(), "model.unk_id");
        return _model.TryGetProperty("unk_token", out JsonElement text) && text.ValueKind is JsonValueKind.String
            ? Find(map, text.GetString()!, "model.unk_token")
            : null;
    }

    private int Find(TokenMap map, string text, string key) => map.Find(Encoding.UTF8.GetBytes(text)) is var id && id >= 0
        ? id
        : throw Bad(key, $"'{text}' is not in the vocabulary");

    private int CheckId(int id, string key) =>
        id >= 0 ? id : throw Bad(key, $"{id} is no id of a vocabulary");

    private bool Flag(string name) => _model.TryGetProperty(name, out JsonElement value) && value.ValueKind is JsonValueKind.True;

    private JsonElement Member(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement member) ? member : throw Bad(name, "it is missing");

    private InvalidDataException Bad(string key, string what) => new($"{_source}: {key}: {what}.");

    private NotSupportedException Unsupported(string key, string value) =>
        new($"{_source}: {key} is {value}, which is not supported.");

    private readonly record struct AddedToken(int Id, string Text, bool IsSpecial, bool StripsLeft, bool StripsRight);
}

/// <summary>What the files beside <c>tokenizer.json</c> say of special tokens.</summary>
/// <param name="Bos">The text of the token that begins a text.</param>
/// <param name="Eos">The text of the token that ends one.</param>
/// <param name="Padding">The text of the token that fills up batches.</param>
/// <param name="Ends">Further tokens that end a generation.</param>
internal sealed record JsonSpecialIds(string? Bos = null, string? Eos = null, string? Padding = null, params int[] Ends)
{
    /// <summary>The file with the texts of special tokens, and the key under which GGUF files that Sluice writes have it.</summary>
    public const string ConfigName = "tokenizer_config.json", ConfigKey = "tokenizer.huggingface.config";

    /// <summary>What a GGUF file with an embedded <c>tokenizer.json</c> says.</summary>
    public static JsonSpecialIds Read(Metadata metadata)
    {
        JsonElement tokenizer = metadata.TryGetString(ConfigKey, out string? text) ? Parse(Encoding.UTF8.GetBytes(text), ConfigKey) : default;
        int[] ends = metadata.Contains("tokenizer.ggml.eos_token_ids") ? metadata.GetInt32Array("tokenizer.ggml.eos_token_ids") : [];
        return new(Text(tokenizer, "bos_token"), Text(tokenizer, "eos_token"), Text(tokenizer, "pad_token"), ends);
    }

    /// <summary>Reads those that there are of <c>tokenizer_config.json</c>, <c>generation_config.json</c>, <c>config.json</c>.</summary>
    public static JsonSpecialIds Read(string folder)
    {
        JsonElement tokenizer = Load(ConfigName);
        return new(Text(tokenizer, "bos_token"), Text(tokenizer, "eos_token"), Text(tokenizer, "pad_token"),
            [.. Ids(Load("generation_config.json")), .. Ids(Load("config.json"))]);

        JsonElement Load(string name)
        {
            string path = Path.Combine(folder, name);
            return File.Exists(path) ? Parse(File.ReadAllBytes(path), path) : default;
        }

        static IEnumerable<int> Ids(JsonElement root)
        {
            JsonElement ids = Member(root, "eos_token_id");
            if (ids.ValueKind is JsonValueKind.Number && ids.TryGetInt32(out int single))
                return [single];
            return ids.ValueKind is JsonValueKind.Array
                ? [.. ids.EnumerateArray().Where(id => id.ValueKind is JsonValueKind.Number && id.TryGetInt32(out _))
                    .Select(id => id.GetInt32())]
                : [];
        }
    }

    private static JsonElement Parse(byte[] json, string source)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{source}: {e.Message}", e);
        }
    }

    private static JsonElement Member(JsonElement root, string name) =>
        root.ValueKind is JsonValueKind.Object && root.TryGetProperty(name, out JsonElement member) ? member : default;

    // A token is its text, or an object with it.
    private static string? Text(JsonElement root, string name)
    {
        JsonElement token = Member(root, name);
        if (token.ValueKind is JsonValueKind.Object)
            token = Member(token, "content");
        return token.ValueKind is JsonValueKind.String ? token.GetString() : null;
    }
}
