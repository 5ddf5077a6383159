using System.Text.Json;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Grammars;

/// <summary>
/// A part of a grammar that is put together of texts, patterns and schemas: a call of a tool, say, whose arguments follow a schema.
/// <see cref="Grammar(GrammarPart)"/> makes a grammar of it.
/// </summary>
/// <example>
/// <code>
/// Grammar call = new(GrammarPart.Sequence(
///     GrammarPart.Text("&lt;tool_call&gt;\n{\"name\": \"search\", \"arguments\": ", tokenizer), GrammarPart.JsonSchema(parameters),
///     GrammarPart.Text("}\n&lt;/tool_call&gt;", tokenizer)));
/// </code>
/// </example>
public sealed class GrammarPart
{
    private GrammarPart(Expression expression) => Expression = expression;

    internal Expression Expression { get; }

    /// <summary>A text as it is, of tokens that stand for text.</summary>
    public static GrammarPart Text(string text) => new(Expression.Text(text));

    /// <summary>A text in which the names of a vocabulary's control tokens (<c>[TOOL_CALLS]</c>) stand for these tokens.</summary>
    public static GrammarPart Text(string text, Tokenizer tokenizer)
    {
        string[] names = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => Machine.TokenTree.RoleOf(tokenizer, id) == Machine.TokenRole.Control)
            .Select(tokenizer.PieceText).OrderByDescending(name => name.Length)];
        List<Expression> parts = [];
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (Array.Find(names, name => string.CompareOrdinal(text, i, name, 0, name.Length) == 0) is not { } found)
                continue;
            parts.Add(Expression.Text(text[start..i]));
            parts.Add(Expression.ControlToken(found));
            start = i + found.Length;
            i = start - 1;
        }
        return new(Expression.Then([.. parts, Expression.Text(text[start..])]));
    }

    /// <summary>JSON that is valid by a schema.</summary>
    /// <exception cref="GrammarException">It is not a schema, or uses a keyword that is not supported.</exception>
    public static GrammarPart JsonSchema(JsonElement schema) => new(Json.JsonSchema.Compile(schema));

    /// <summary>Texts that match a regular expression as a whole.</summary>
    /// <exception cref="GrammarException">It is malformed or uses what is not supported.</exception>
    public static GrammarPart Regex(string pattern) => new(RegexParser.Parse(pattern, Utf8Bytes.Of, isSearch: false));

    /// <summary>Any text, but none that has this one in it: what is said before a call, say. It may be empty.</summary>
    public static GrammarPart TextWithout(string text) => new(Machine.Product.TextWithout(Expression.Text(text)));

    /// <summary>One part after the other.</summary>
    public static GrammarPart Sequence(params IReadOnlyList<GrammarPart> parts) => new(Expression.Then([.. parts.Select(part => part.Expression)]));

    /// <summary>One of the parts.</summary>
    public static GrammarPart AnyOf(params IReadOnlyList<GrammarPart> parts) => new(Expression.Any([.. parts.Select(part => part.Expression)]));

    /// <summary>This part several times.</summary>
    /// <param name="min">At least.</param>
    /// <param name="max">At most; null for any number.</param>
    public GrammarPart Repeat(int min, int? max = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(min);
        ArgumentOutOfRangeException.ThrowIfLessThan(max ?? min, min, nameof(max));
        return new(Expression.Times(min, max ?? int.MaxValue));
    }
}
