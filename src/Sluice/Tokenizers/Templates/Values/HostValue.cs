using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Tokenizers.Templates.Syntax;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// .NET's and JSON's values as values of a template, copied: a template sees data, never objects, and cannot change what it
/// was given.
/// </summary>
internal static class HostValue
{
    private const int MaxDepth = 256;

    /// <exception cref="ArgumentException">The value, or one in it, is of a type that has no place in a template.</exception>
    public static object? Convert(object? value, int depth = 0)
    {
        if (depth > MaxDepth)
            throw new ArgumentException($"The values for a template nest more than {MaxDepth} levels deep.");
        return value switch
        {
            null => null,
            bool or long or double or string => value,
            int or short or sbyte or byte or ushort or uint => System.Convert.ToInt64(value, CultureInfo.InvariantCulture),
            ulong number => Token.Integer(number),
            BigInteger number => Token.Integer(number),
            float number => (double)number,
            decimal number => (double)number,
            JsonElement element => FromJson(element, depth),
            JsonNode node => FromJson(JsonElement.Parse(node.ToJsonString()), depth),
            IEnumerable<KeyValuePair<string, object?>> dict => Dictionary(dict, depth),
            IDictionary dict => Dictionary(Entries(dict), depth),
            IEnumerable list => new ListValue([.. list.Cast<object?>().Select(item => Convert(item, depth + 1))]),
            _ => throw new ArgumentException(
                $"A {value.GetType()} is no value for a template: give null, bool, a number, a string, lists and dictionaries "
                + "by name of these, or JSON."),
        };
    }

    private static DictValue Dictionary(IEnumerable<KeyValuePair<string, object?>> items, int depth)
    {
        DictValue dict = new();
        foreach ((string key, object? value) in items)
            dict.Set(key, Convert(value, depth + 1));
        return dict;
    }

    private static IEnumerable<KeyValuePair<string, object?>> Entries(IDictionary dict)
    {
        foreach (DictionaryEntry entry in dict)
        {
            yield return entry.Key is string name
                ? KeyValuePair.Create(name, entry.Value)
                : throw new ArgumentException($"A dictionary for a template has a key of {entry.Key.GetType()}, not a string.");
        }
    }

    private static object? FromJson(JsonElement element, int depth)
    {
        if (depth > MaxDepth)
            throw new ArgumentException($"The values for a template nest more than {MaxDepth} levels deep.");
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                DictValue dict = new();
                foreach (JsonProperty property in element.EnumerateObject())
                    dict.Set(property.Name, FromJson(property.Value, depth + 1));
                return dict;
            case JsonValueKind.Array:
                return new ListValue([.. element.EnumerateArray().Select(item => FromJson(item, depth + 1))]);
            case JsonValueKind.String:
                return JsonString(element);
            case JsonValueKind.Number:
                return JsonNumber(element.GetRawText());
            case JsonValueKind.True or JsonValueKind.False:
                return element.GetBoolean();
            case JsonValueKind.Null:
                return null;
            default:
                throw new ArgumentException("A JSON value for a template is undefined.");
        }
    }

    private static string? JsonString(JsonElement element)
    {
        try
        {
            return element.GetString();
        }
        catch (InvalidOperationException exception)
        {
            throw new ArgumentException($"A JSON string for a template is no Unicode: {exception.Message}", exception);
        }
    }

    // 1.0 and 1e0 are floats, as for Python.
    private static object JsonNumber(string text) => text.AsSpan().ContainsAny('.', 'e', 'E')
        ? double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)
        : text.Length <= 4300
            ? Token.Integer(BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))
            : throw new ArgumentException("A number for a template has more than 4300 digits.");
}
