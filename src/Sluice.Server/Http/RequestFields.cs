using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Sluice.Tokenizers;

namespace Sluice.Server.Http;

/// <summary>
/// The fields of a JSON object that a client sent, each asked for by its name. What was never asked for is unknown, and
/// <see cref="CheckAllRead"/> says so: nothing is ignored silently. A null counts as absent.
/// </summary>
internal sealed class RequestFields
{
    private readonly JsonElement _object;
    private readonly string _prefix;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public RequestFields(JsonElement element, string path = "")
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw ApiException.Bad(path.Length == 0 ? null : path, $"{(path.Length == 0 ? "The body" : path)} must be a JSON object.");
        (_object, _prefix) = (element, path.Length == 0 ? "" : path + ".");
    }

    /// <summary>Reads a request's body.</summary>
    public static async Task<RequestFields> ReadAsync(HttpContext context)
    {
        JsonDocumentOptions options = new() { MaxDepth = 64, AllowDuplicateProperties = false };
        JsonDocument document;
        try
        {
            document = await JsonDocument.ParseAsync(context.Request.Body, options, context.RequestAborted);
        }
        catch (JsonException error)
        {
            throw ApiException.Bad(null, "The body is not valid JSON: " + error.Message);
        }
        catch (InvalidOperationException)
        {
            throw ApiException.Bad(null, "The body is not valid Unicode: a field's name has half a surrogate pair.");
        }
        context.Response.RegisterForDispose(document);
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(document.RootElement);
        if (raw.IndexOf("\\ud"u8) >= 0 || raw.IndexOf("\\uD"u8) >= 0)
            CheckUnicode(document.RootElement);
        return new RequestFields(document.RootElement);
    }

    public string Path(string name) => _prefix + name;

    public JsonElement? Any(string name)
    {
        _read.Add(name);
        return _object.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public string? Text(string name) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, "a string");

    public bool? Flag(string name) => Any(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false");

    public int? Integer(string name, int min = int.MinValue, int max = int.MaxValue) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= min && number <= max
            ? number : throw Wrong(name, max == int.MaxValue ? $"a whole number from {min}" : $"a whole number from {min} to {max}");

    public long? Long(string name) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : throw Wrong(name, "a whole number");

    public float? Number(string name, float min, float max) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && number >= min && number <= max
            ? number : throw Wrong(name, FormattableString.Invariant($"a number from {min} to {max}"));

    public RequestFields? Object(string name) => Any(name) is { } value ? new RequestFields(value, Path(name)) : null;

    public JsonElement? Array(string name) => Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Array ? value : throw Wrong(name, "an array");

    /// <summary>A string, or an array of them.</summary>
    public IReadOnlyList<string> Texts(string name)
    {
        if (Any(name) is not { } value)
            return [];
        if (value.ValueKind == JsonValueKind.String)
            return [value.GetString()!];
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            throw Wrong(name, "a string or an array of strings");
        return [.. value.EnumerateArray().Select(item => item.GetString()!)];
    }

    public T Required<T>(T? value, string name) where T : class => value ?? throw Missing(name);

    public ApiException Missing(string name) =>
        new(StatusCodes.Status400BadRequest, $"{Path(name)} is missing.", Path(name), "missing_required_parameter");

    /// <summary>Refuses fields that are known, but say nothing as things are.</summary>
    public void Exclude(string where, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Any(name) is not null)
                throw ApiException.Bad(Path(name), $"{Path(name)} says nothing {where}.");
        }
    }

    /// <summary>Complains of fields that nobody asked for.</summary>
    public void CheckAllRead()
    {
        string[] unknown = [.. _object.EnumerateObject().Select(field => field.Name).Where(name => !_read.Contains(name)).Select(Path)];
        if (unknown.Length > 0)
        {
            throw new ApiException(
                StatusCodes.Status400BadRequest,
                $"Unknown or unsupported fields: {string.Join(", ", unknown)}; known: {string.Join(", ", _read.Order(StringComparer.Ordinal))}.",
                unknown[0], "unknown_parameter");
        }
    }

    public ApiException Wrong(string name, string expected) => ApiException.Bad(Path(name), $"{Path(name)} must be {expected}.");

    private static void CheckUnicode(JsonElement body)
    {
        if (JsonUnicode.FindHalfPair(body) is not { } way)
            return;
        string path = string.Concat(way.Select(step => step.Name is null ? $"[{step.Index}]" : "." + step.Name)).TrimStart('.');
        throw ApiException.Bad(path, $"{path} is not valid Unicode: it has half a surrogate pair.");
    }
}
