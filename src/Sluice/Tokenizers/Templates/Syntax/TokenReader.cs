namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>Walks through tokens.</summary>
internal sealed class TokenReader(List<Token> tokens)
{
    private int _next;

    public Token Current => tokens[_next];

    /// <summary>The token after the current one.</summary>
    public Token Following => tokens[Math.Min(_next + 1, tokens.Count - 1)];

    /// <summary>Returns the current token and goes on, but never past the end.</summary>
    public Token Take()
    {
        Token token = tokens[_next];
        if (token.Kind != TokenKind.End)
            _next++;
        return token;
    }

    public bool TryTakeOperator(string text)
    {
        if (!Current.IsOperator(text))
            return false;
        _next++;
        return true;
    }

    public bool TryTakeName(string text)
    {
        if (!Current.IsName(text))
            return false;
        _next++;
        return true;
    }

    public void ExpectOperator(string text)
    {
        if (!TryTakeOperator(text))
            throw Unexpected($"'{text}'");
    }

    public void ExpectName(string text)
    {
        if (!TryTakeName(text))
            throw Unexpected($"'{text}'");
    }

    public Token Expect(TokenKind kind) => Current.Kind == kind ? Take() : throw Unexpected(new Token(kind, "name", 0).ToString());

    public TemplateException Unexpected(string expected) => new($"expected {expected}, got {Current}", Current.Line);
}
