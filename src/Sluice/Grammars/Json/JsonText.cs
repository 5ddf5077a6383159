using System.Text;
using System.Text.Json;
using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Json;

/// <summary>How JSON writes characters and constant values.</summary>
internal static class JsonText
{
    private static readonly CodePoints Plain = CodePoints.All.Without(CodePoints.Of((0, 0x1F), ('"', '"'), ('\\', '\\')));

    private static readonly Expression Hex = Utf8Bytes.Of(CodePoints.Of(('0', '9'), ('A', 'F'), ('a', 'f')));

    /// <summary>Any character within a string, in any of the ways that JSON has to write it.</summary>
    public static Expression AnyCharacter { get; } = Expression.Any(
        Utf8Bytes.Of(Plain),
        Expression.Then(Expression.Text("\\"), Expression.Any(
            OneOf("\"\\/bfnrt"),
            Expression.Then(Expression.Text("u"), Expression.Any(
                Expression.Then(OneOf("0123456789ABCabcEFef"), Hex, Hex, Hex),
                Expression.Then(OneOf("Dd"), OneOf("01234567"), Hex, Hex),
                // A character beyond U+FFFF: both halves of its pair.
                Expression.Then(
                    OneOf("Dd"), OneOf("89ABab"), Hex, Hex, Expression.Text("\\u"), OneOf("Dd"), OneOf("CDEFcdef"), Hex, Hex))))));

    /// <summary>
    /// One character of a set, within a string, in one way only: as it is, or escaped where it must be. So strings are equal where
    /// their texts are, and patterns and names can be compared with the text.
    /// </summary>
    public static Expression Of(CodePoints set)
    {
        List<Expression> options = [Utf8Bytes.Of(set.Without(Plain.Inverse))];
        foreach ((int first, int last) in set.Without(Plain).Ranges)
        {
            for (int character = first; character <= last; character++)
                options.Add(Expression.Text(Escape(character)));
        }
        return Expression.Any([.. options]);
    }

    /// <summary>The text of a string's content.</summary>
    public static Expression Content(string text)
    {
        StringBuilder written = new();
        foreach (Rune rune in text.EnumerateRunes())
            written.Append(Plain.Contains(rune.Value) ? rune.ToString() : Escape(rune.Value));
        return Expression.Text(written.ToString());
    }

    /// <summary>A string.</summary>
    public static Expression Quoted(Expression content) => Expression.Then(Expression.Text("\""), content, Expression.Text("\""));

    /// <summary>A constant, without white space.</summary>
    public static Expression Constant(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Quoted(Content(value.GetString()!)),
        JsonValueKind.Array => Expression.Then(Expression.Text("["), List(value.EnumerateArray().Select(Constant)), Expression.Text("]")),
        JsonValueKind.Object => Expression.Then(Expression.Text("{"), List(value.EnumerateObject().Select(member =>
            Expression.Then(Quoted(Content(member.Name)), Expression.Text(":"), Constant(member.Value)))), Expression.Text("}")),
        _ => Expression.Text(value.GetRawText()),
    };

    private static Expression List(IEnumerable<Expression> parts) =>
        Expression.Then([.. parts.SelectMany((part, i) => i == 0 ? [part] : new[] { Expression.Text(","), part })]);

    private static string Escape(int character) => character switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => $"\\u{character:x4}",
    };

    private static Expression OneOf(string characters) => Utf8Bytes.Of(CodePoints.Of([.. characters.Select(c => ((int)c, (int)c))]));
}
