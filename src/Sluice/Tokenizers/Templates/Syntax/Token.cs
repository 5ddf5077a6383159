using System.Numerics;

namespace Sluice.Tokenizers.Templates.Syntax;

internal enum TokenKind
{
    /// <summary>Text outside of tags.</summary>
    Data,
    BlockBegin,
    BlockEnd,
    VariableBegin,
    VariableEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A token: for names, operators and texts <see cref="Text"/>, for numbers <see cref="Number"/>.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Number = null)
{
    public bool IsOperator(string text) => Kind == TokenKind.Operator && Text == text;

    public bool IsName(string text) => Kind == TokenKind.Name && Text == text;

    /// <summary>The token, for messages.</summary>
    public override string ToString() => Kind switch
    {
        TokenKind.Data => "text",
        TokenKind.BlockBegin => "'{%'",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.VariableBegin => "'{{'",
        TokenKind.VariableEnd => "end of print statement",
        TokenKind.Text => "a string",
        TokenKind.Integer or TokenKind.Float => "a number",
        TokenKind.End => "end of template",
        _ => $"'{Text}'",
    };

    /// <summary>An integer as templates hold it: 64 bits where it fits.</summary>
    public static object Integer(BigInteger value) =>
        value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;
}
