using System.Text;
using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Nodes;

namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>Expressions, from the loosest operator to the tightest.</summary>
internal sealed partial class Parser
{
    /// <summary>An expression, or a tuple of several with commas between them.</summary>
    private Expression ParseTuple(bool withConditional = true, string? end = null, bool inParentheses = false)
    {
        int line = _tokens.Current.Line;
        List<Expression> items = [];
        bool isTuple = false;
        while (!IsTupleEnd(end))
        {
            items.Add(withConditional ? ParseExpression() : ParseOr());
            if (!_tokens.TryTakeOperator(","))
                break;
            isTuple = true;
        }
        if (!isTuple && items.Count == 1)
            return items[0];
        if (items.Count == 0 && !inParentheses)
            throw Fail($"Expected an expression, got {_tokens.Current}");
        return new TupleExpression(line, [.. items]);
    }

    private bool IsTupleEnd(string? end) =>
        _tokens.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd or TokenKind.End
        || _tokens.Current.IsOperator(")") || (end is not null && _tokens.Current.IsName(end));

    /// <summary><c>a if test else b</c></summary>
    private Expression ParseExpression()
    {
        Enter();
        int line = _tokens.Current.Line, unknown = _unknown.Count;
        Expression value = ParseOr();
        while (_tokens.TryTakeName("if"))
        {
            Expression test = ParseOr();
            Expression? otherwise = _tokens.TryTakeName("else") ? ParseExpression() : null;
            value = new Conditional(line, test, value, otherwise);
            _unknown.RemoveRange(unknown, _unknown.Count - unknown);
        }
        Leave();
        return value;
    }

    private Expression ParseOr()
    {
        int line = _tokens.Current.Line;
        Expression left = ParseAnd();
        while (_tokens.TryTakeName("or"))
            left = new Or(line, left, ParseAnd());
        return left;
    }

    private Expression ParseAnd()
    {
        int line = _tokens.Current.Line;
        Expression left = ParseNot();
        while (_tokens.TryTakeName("and"))
            left = new And(line, left, ParseNot());
        return left;
    }

    private Expression ParseNot()
    {
        int line = _tokens.Current.Line;
        if (!_tokens.TryTakeName("not"))
            return ParseComparison();
        Enter();
        Expression operand = ParseNot();
        Leave();
        return new Not(line, operand);
    }

    private Expression ParseComparison()
    {
        int line = _tokens.Current.Line;
        Expression first = ParseSum();
        List<(string, Expression)> rest = [];
        while (TryTakeComparison() is { } name)
            rest.Add((name, ParseSum()));
        return rest.Count == 0 ? first : new Comparison(line, first, [.. rest]);
    }

    private string? TryTakeComparison()
    {
        Token token = _tokens.Current;
        if (token.Kind == TokenKind.Operator && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            return _tokens.Take().Text;
        if (_tokens.TryTakeName("in"))
            return "in";
        if (!token.IsName("not") || !_tokens.Following.IsName("in"))
            return null;
        _tokens.Take();
        _tokens.Take();
        return "not in";
    }

    private Expression ParseSum()
    {
        int line = _tokens.Current.Line;
        Expression left = ParseConcatenation();
        while (_tokens.Current.Kind == TokenKind.Operator && _tokens.Current.Text is "+" or "-")
            left = new Binary(line, _tokens.Take().Text, left, ParseConcatenation());
        return left;
    }

    private Expression ParseConcatenation()
    {
        int line = _tokens.Current.Line;
        Expression first = ParseProduct();
        if (!_tokens.Current.IsOperator("~"))
            return first;
        List<Expression> items = [first];
        while (_tokens.TryTakeOperator("~"))
            items.Add(ParseProduct());
        return new Concatenation(line, [.. items]);
    }

    private Expression ParseProduct()
    {
        int line = _tokens.Current.Line;
        Expression left = ParsePower();
        while (_tokens.Current.Kind == TokenKind.Operator && _tokens.Current.Text is "*" or "/" or "//" or "%")
            left = new Binary(line, _tokens.Take().Text, left, ParsePower());
        return left;
    }

    private Expression ParsePower()
    {
        int line = _tokens.Current.Line;
        Expression left = ParseUnary();
        while (_tokens.TryTakeOperator("**"))
            left = new Binary(line, "**", left, ParseUnary());
        return left;
    }

    private Expression ParseUnary(bool withFilter = true)
    {
        int line = _tokens.Current.Line;
        Expression value;
        if (_tokens.Current.Kind == TokenKind.Operator && _tokens.Current.Text is "-" or "+")
        {
            string sign = _tokens.Take().Text;
            Enter();
            value = new Unary(line, sign, ParseUnary(withFilter: false));
            Leave();
        }
        else
        {
            value = ParsePrimary();
        }
        value = ParsePostfix(value);
        return withFilter ? ParseFilters(value) : value;
    }

    private Expression ParsePrimary()
    {
        Token token = _tokens.Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return ParseName(token);
            case TokenKind.Integer or TokenKind.Float:
                return new Constant(token.Line, token.Number);
            case TokenKind.Text:
                StringBuilder text = new(token.Text);
                while (_tokens.Current.Kind == TokenKind.Text)
                    text.Append(_tokens.Take().Text);
                return new Constant(token.Line, text.ToString());
            case TokenKind.Operator when token.Text is "(" or "[" or "{":
                Enter();
                Expression value = token.Text switch
                {
                    "(" => ParseParentheses(),
                    "[" => new ListExpression(token.Line, ParseItems("]")),
                    _ => ParseDictionary(token.Line),
                };
                Leave();
                return value;
            default:
                throw new TemplateException($"unexpected {token}", token.Line);
        }
    }

    private Expression ParseName(Token token)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new Constant(token.Line, true);
            case "false" or "False":
                return new Constant(token.Line, false);
            case "none" or "None":
                return new Constant(token.Line, null);
        }
        foreach (MacroUses uses in _macros)
        {
            uses.Caller |= token.Text == "caller";
            uses.Keywords |= token.Text == "kwargs";
            uses.Positional |= token.Text == "varargs";
        }
        return new Variable(token.Line, token.Text);
    }

    private Expression ParseParentheses()
    {
        Expression value = ParseTuple(inParentheses: true);
        _tokens.ExpectOperator(")");
        return value;
    }

    private Expression[] ParseItems(string end)
    {
        List<Expression> items = [];
        while (!_tokens.Current.IsOperator(end))
        {
            if (items.Count > 0)
                _tokens.ExpectOperator(",");
            if (_tokens.Current.IsOperator(end))
                break;
            items.Add(ParseExpression());
        }
        _tokens.Take();
        return [.. items];
    }

    private DictExpression ParseDictionary(int line)
    {
        List<(Expression, Expression)> items = [];
        while (!_tokens.Current.IsOperator("}"))
        {
            if (items.Count > 0)
                _tokens.ExpectOperator(",");
            if (_tokens.Current.IsOperator("}"))
                break;
            Expression key = ParseExpression();
            _tokens.ExpectOperator(":");
            items.Add((key, ParseExpression()));
        }
        _tokens.Take();
        return new DictExpression(line, [.. items]);
    }

    /// <summary>Attributes, subscripts and calls.</summary>
    private Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            Token token = _tokens.Current;
            if (_tokens.TryTakeOperator("."))
                value = ParseAttribute(token.Line, value);
            else if (_tokens.TryTakeOperator("["))
                value = ParseSubscript(token.Line, value);
            else if (token.IsOperator("("))
                value = new CallExpression(token.Line, value, ParseArguments());
            else
                return value;
        }
    }

    private Expression ParseAttribute(int line, Expression value)
    {
        Token name = _tokens.Take();
        return name.Kind switch
        {
            TokenKind.Name => new AttributeExpression(line, value, name.Text),
            TokenKind.Integer => new Subscript(line, value, new Constant(line, name.Number)),
            _ => throw new TemplateException($"expected name or number, got {name}", name.Line),
        };
    }

    /// <summary>A key, several keys, or a slice.</summary>
    private Expression ParseSubscript(int line, Expression target)
    {
        List<Expression> keys = [];
        while (!_tokens.Current.IsOperator("]"))
        {
            if (keys.Count > 0)
                _tokens.ExpectOperator(",");
            Expression? key = _tokens.Current.IsOperator(":") ? null : ParseExpression();
            if (_tokens.Current.IsOperator(":"))
            {
                return keys.Count == 0
                    ? ParseSlice(line, target, key)
                    : throw Fail("a slice cannot stand among other subscripts");
            }
            keys.Add(key!);
        }
        _tokens.Take();
        return new Subscript(line, target, keys.Count == 1 ? keys[0] : new TupleExpression(line, [.. keys]));
    }

    private SliceExpression ParseSlice(int line, Expression target, Expression? start)
    {
        _tokens.Take();
        Expression? stop = IsSliceEnd() ? null : ParseExpression();
        Expression? step = _tokens.TryTakeOperator(":") && !IsSliceEnd() ? ParseExpression() : null;
        _tokens.ExpectOperator("]");
        return new SliceExpression(line, target, start, stop, step);
    }

    private bool IsSliceEnd() => _tokens.Current.Kind == TokenKind.Operator && _tokens.Current.Text is ":" or "]";

    /// <summary>Filters, tests, and calls of what they give.</summary>
    private Expression ParseFilters(Expression value)
    {
        while (true)
        {
            Token token = _tokens.Current;
            if (_tokens.TryTakeOperator("|"))
                value = ParseFilter(value);
            else if (_tokens.TryTakeName("is"))
                value = ParseTest(token.Line, value);
            else if (token.IsOperator("("))
                value = new CallExpression(token.Line, value, ParseArguments());
            else
                return value;
        }
    }

    private FilterExpression ParseFilter(Expression? value)
    {
        int line = _tokens.Current.Line;
        string name = ParseDottedName();
        BuiltIn? filter = Filters.Table.Find(name);
        if (filter is null && !_guarded)
            _unknown.Add(new TemplateException($"No filter named '{name}'.", line));
        ArgumentList arguments = _tokens.Current.IsOperator("(") ? ParseArguments() : ArgumentList.Empty;
        return new FilterExpression(line, value, name, filter, arguments);
    }

    private Expression ParseTest(int line, Expression value)
    {
        bool negated = _tokens.TryTakeName("not");
        string name = ParseDottedName();
        ArgumentList arguments = ArgumentList.Empty;
        Token next = _tokens.Current;
        if (next.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (next.Kind is TokenKind.Name or TokenKind.Text or TokenKind.Integer or TokenKind.Float
            ? next.Kind != TokenKind.Name || next.Text is not ("else" or "or" or "and")
            : next.IsOperator("[") || next.IsOperator("{"))
        {
            if (next.IsName("is"))
                throw Fail("You cannot chain multiple tests with is");
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())]);
        }
        BuiltIn? test = Tests.Table.Find(name);
        if (test is null && !_guarded)
            _unknown.Add(new TemplateException($"No test named '{name}'.", line));
        Expression result = new TestExpression(line, value, name, test, arguments);
        return negated ? new Not(line, result) : result;
    }

    private string ParseDottedName()
    {
        string name = _tokens.Expect(TokenKind.Name).Text;
        while (_tokens.TryTakeOperator("."))
            name += "." + _tokens.Expect(TokenKind.Name).Text;
        return name;
    }

    private ArgumentList ParseArguments()
    {
        int line = _tokens.Current.Line;
        _tokens.ExpectOperator("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? more = null, moreNamed = null;
        for (bool first = true; !_tokens.Current.IsOperator(")"); first = false)
        {
            if (!first)
                _tokens.ExpectOperator(",");
            if (_tokens.Current.IsOperator(")"))
                break;
            if (_tokens.TryTakeOperator("*"))
            {
                Ensure(more is null && moreNamed is null);
                more = ParseExpression();
            }
            else if (_tokens.TryTakeOperator("**"))
            {
                Ensure(moreNamed is null);
                moreNamed = ParseExpression();
            }
            else if (_tokens.Current.Kind == TokenKind.Name && _tokens.Following.IsOperator("="))
            {
                Ensure(moreNamed is null);
                string name = _tokens.Take().Text;
                _tokens.Take();
                Ensure(!named.Exists(other => other.Item1 == name));
                named.Add((name, ParseExpression()));
            }
            else
            {
                Ensure(more is null && moreNamed is null && named.Count == 0);
                positional.Add(ParseExpression());
            }
        }
        _tokens.Take();
        return new ArgumentList([.. positional], [.. named], more, moreNamed);

        void Ensure(bool valid)
        {
            if (!valid)
                throw new TemplateException("invalid syntax for function call expression", line);
        }
    }
}
