using System.Text.Json;
using System.Text.Unicode;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// An object in a JSON file, with getters whose errors name the file and the key. A key whose value is null counts as missing,
/// as it does in Hugging Face's own code.
/// </summary>
internal sealed class JsonFile
{
    private const long MaxBytes = 100_000_000;
    private readonly JsonElement _object;
    private readonly string _prefix;

    private JsonFile(string path, JsonElement element, string prefix) => (Path, _object, _prefix) = (path, element, prefix);

    /// <summary>The file, for messages.</summary>
    public string Path { get; }

    /// <summary>The keys whose value is not null.</summary>
    public IEnumerable<string> Keys => _object.EnumerateObject()
        .Where(property => property.Value.ValueKind != JsonValueKind.Null)
        .Select(property => property.Name);

    /// <summary>Reads a file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static JsonFile Read(string path) => new FileInfo(path).Length <= MaxBytes
        ? Parse(path, File.ReadAllBytes(path))
        : throw new InvalidDataException($"{path} is larger than {MaxBytes} bytes.");

    /// <summary>Reads a file that need not exist.</summary>
    public static JsonFile? ReadIfThere(string path) => File.Exists(path) ? Read(path) : null;

    /// <summary>Reads a file's bytes.</summary>
    public static JsonFile Parse(string path, ReadOnlyMemory<byte> json)
    {
        try
        {
            if (json.Span.StartsWith("\uFEFF"u8))
                json = json[3..];
            if (!Utf8.IsValid(json.Span))
                throw new InvalidDataException($"{path} is not valid UTF-8.");
            JsonElement root = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false }).RootElement;
            return root.ValueKind is JsonValueKind.Object
                ? new JsonFile(path, root, "")
                : throw new InvalidDataException($"{path} is no JSON object.");
        }
        // Strings that are not Unicode make the JSON reader throw InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path} is not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>Whether the key has a value.</summary>
    public bool Has(string key) => TryGet(key, out _);

    /// <summary>A value of any kind.</summary>
    public bool TryGet(string key, out JsonElement value) =>
        _object.TryGetProperty(key, out value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>A whole number of at least 1.</summary>
    public int Count(string key) => CountOrNull(key) ?? throw Missing(key);

    /// <summary>A whole number of at least 1, if the key is there.</summary>
    public int? CountOrNull(string key) => WholeOrNull(key, least: 1);

    /// <summary>A whole number of at least 0, or of the least given, if the key is there.</summary>
    public int? WholeOrNull(string key, int least = 0)
    {
        if (!TryGet(key, out JsonElement value))
            return null;
        return value.ValueKind is JsonValueKind.Number && value.TryGetInt32(out int count) && count >= least
            ? count
            : throw Error(key, $"must be a whole number of at least {least}", value);
    }

    /// <summary>A finite number above zero, if the key is there.</summary>
    public float? PositiveOrNull(string key)
    {
        if (!TryGet(key, out JsonElement value))
            return null;
        return value.ValueKind is JsonValueKind.Number && value.TryGetSingle(out float number)
            && number is > 0 and <= float.MaxValue
            ? number
            : throw Error(key, "must be a number above 0", value);
    }

    /// <summary>A truth value, if the key is there.</summary>
    public bool? BoolOrNull(string key)
    {
        if (!TryGet(key, out JsonElement value))
            return null;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Error(key, "must be true or false", value);
    }

    /// <summary>A string, if the key is there.</summary>
    public string? TextOrNull(string key) => TryGet(key, out JsonElement value) ? Text(key, value) : null;

    /// <summary>An object, if the key is there.</summary>
    public JsonFile? ObjectOrNull(string key) => TryGet(key, out JsonElement value) ? Object(key, value) : null;

    /// <summary>The elements of an array, each an object, with their index in messages.</summary>
    public IEnumerable<JsonFile> Objects(string key, JsonElement array) =>
        array.EnumerateArray().Select((element, i) => Object($"{key}[{i}]", element));

    /// <summary>Token ids: one number or an array of them; empty where the key is missing.</summary>
    public int[] TokenIds(string key)
    {
        if (!TryGet(key, out JsonElement value))
            return [];
        return value.ValueKind is JsonValueKind.Array ? [.. value.EnumerateArray().Select(Id)] : [Id(value)];

        int Id(JsonElement element) =>
            element.ValueKind is JsonValueKind.Number && element.TryGetInt32(out int id) && id >= 0
                ? id
                : throw Error(key, "must be a token id or an array of them", value);
    }

    /// <summary>The text of a string value.</summary>
    public string Text(string key, JsonElement value)
    {
        if (value.ValueKind is not JsonValueKind.String)
            throw Error(key, "must be a string", value);
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"{Path}: key '{_prefix}{key}' is not valid Unicode.", e);
        }
    }

    /// <summary>Says that a key is missing.</summary>
    public InvalidDataException Missing(string key) => new($"{Path}: key '{_prefix}{key}' is missing.");

    /// <summary>Says what a key must be.</summary>
    public InvalidDataException Error(string key, string must, JsonElement value) =>
        new($"{Path}: key '{_prefix}{key}' {must}, not {Shorten(value.GetRawText())}.");

    /// <summary>Says that a key asks for something that Sluice does not have.</summary>
    public NotSupportedException Unsupported(string key, string? why = null)
    {
        string value = TryGet(key, out JsonElement element) ? Shorten(element.GetRawText()) : "null";
        string reason = why is null ? "" : $" ({why})";
        return new($"{Path}: key '{_prefix}{key}' is {value}, which Sluice does not implement{reason}.");
    }

    private JsonFile Object(string key, JsonElement value) => value.ValueKind is JsonValueKind.Object
        ? new JsonFile(Path, value, $"{_prefix}{key}.")
        : throw Error(key, "must be an object", value);

    private static string Shorten(string text) => text.Length <= 80 ? text : text[..80] + "...";
}
