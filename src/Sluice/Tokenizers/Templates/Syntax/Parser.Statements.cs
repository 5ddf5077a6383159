using Sluice.Tokenizers.Templates.Nodes;

namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>Statements: what stands in <c>{% %}</c>.</summary>
internal sealed partial class Parser
{
    /// <summary>Reads statements until a tag with one of these names, at which it stops, or to the template's end.</summary>
    private Statement[] ParseBody(params ReadOnlySpan<string> ends)
    {
        Enter();
        List<Statement> body = [];
        while (true)
        {
            Token token = _tokens.Take();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new PlainText(token.Line, token.Text));
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new Print(token.Line, ParseTuple()));
                    _tokens.Expect(TokenKind.VariableEnd);
                    break;
                case TokenKind.BlockBegin when _tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text):
                    Leave();
                    return [.. body];
                case TokenKind.BlockBegin:
                    body.Add(ParseStatement());
                    _tokens.Expect(TokenKind.BlockEnd);
                    break;
                default:
                    if (ends.Length > 0)
                        throw Fail($"unexpected end of template, expected '{string.Join("' or '", ends)}'");
                    Leave();
                    return [.. body];
            }
        }
    }

    /// <summary>Reads the end of an opening tag, its body and its closing tag's name.</summary>
    private Statement[] ParseBlockBody(string end)
    {
        _tokens.Expect(TokenKind.BlockEnd);
        Statement[] body = ParseBody(end);
        _tokens.Take();
        return body;
    }

    /// <summary>As above, for a body that is a scope of its own.</summary>
    private Statement[] ParseScope(string end)
    {
        bool guarded = _guarded;
        _guarded = false;
        Statement[] body = ParseBlockBody(end);
        _guarded = guarded;
        return body;
    }

    private Statement ParseStatement()
    {
        Token tag = _tokens.Expect(TokenKind.Name);
        int line = tag.Line;
        switch (tag.Text)
        {
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            case "macro":
                return ParseMacro(line);
            case "call":
                return ParseCallBlock(line);
            case "with":
                return ParseWith(line);
            case "print":
                return ParsePrint(line);
            case "filter":
                return new FilterBlock(line, ParseBlockFilter(), ParseScope("endfilter"));
            case "generation":
                return new ScopeBlock(line, ParseSeparate(() => ParseScope("endgeneration")));
            case "block":
                return ParseNamedBlock(line);
            case "autoescape":
                return ParseAutoEscape(line);
            case "break" or "continue":
                if (_loops == 0)
                    throw new TemplateException($"'{tag.Text}' outside loop", line);
                return new Jump(line, tag.Text == "break" ? Flow.Break : Flow.Continue);
            case "include" or "import" or "from" or "extends":
                throw new TemplateException(
                    $"'{tag.Text}' is not supported: a chat template sees nothing outside of itself and its data", line);
            default:
                throw new TemplateException($"Encountered unknown tag '{tag.Text}'.", line);
        }
    }

    private IfStatement ParseIf(int line)
    {
        bool guarded = _guarded;
        _guarded = true;
        List<(Expression, Statement[])> branches = [];
        Statement[] otherwise = [];
        while (true)
        {
            Expression test = ParseTuple(withConditional: false);
            _tokens.Expect(TokenKind.BlockEnd);
            branches.Add((test, ParseBody("elif", "else", "endif")));
            string next = _tokens.Take().Text;
            if (next == "elif")
                continue;
            if (next == "else")
                otherwise = ParseBlockBody("endif");
            _guarded = guarded;
            return new IfStatement(line, [.. branches], otherwise);
        }
    }

    private ForStatement ParseFor(int line)
    {
        Target target = ParseTarget(withNamespace: false);
        if (target.Assigns("loop"))
            throw new TemplateException("Can't assign to special loop variable in for-loop target", line);
        _tokens.ExpectName("in");
        Expression source = ParseTuple(withConditional: false, end: "recursive");
        bool guarded = _guarded;
        _guarded = false;
        Expression? test = _tokens.TryTakeName("if") ? ParseExpression() : null;
        bool recursive = _tokens.TryTakeName("recursive");
        _tokens.Expect(TokenKind.BlockEnd);
        _loops++;
        Statement[] body = ParseBody("endfor", "else");
        _loops--;
        Statement[] otherwise = [];
        if (_tokens.Take().Text == "else")
            otherwise = ParseBlockBody("endfor");
        _guarded = guarded;
        return new ForStatement(line, target, source, test, recursive, body, otherwise);
    }

    private Statement ParseSet(int line)
    {
        Target target = ParseTarget(withNamespace: true);
        if (_loops > 0 && target.Assigns("loop"))
            throw new TemplateException("Can't assign to special loop variable in for-loop", line);
        if (_tokens.TryTakeOperator("="))
            return new SetStatement(line, target, ParseTuple());
        FilterExpression? filter = _tokens.TryTakeOperator("|") ? ParseBlockFilter() : null;
        return new SetBlock(line, target, filter, ParseScope("endset"));
    }

    private PrintAll ParsePrint(int line)
    {
        List<Expression> values = [];
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
                _tokens.ExpectOperator(",");
            values.Add(ParseExpression());
        }
        return new PrintAll(line, [.. values]);
    }

    /// <summary>The filters of what a block writes.</summary>
    private FilterExpression ParseBlockFilter()
    {
        bool guarded = _guarded;
        _guarded = false;
        FilterExpression filter = ParseFilter(null);
        while (_tokens.TryTakeOperator("|"))
            filter = ParseFilter(filter);
        _guarded = guarded;
        return filter;
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = ParseNameTarget();
        return new MacroStatement(line, name, ParseMacroRest(line, name, "endmacro"));
    }

    private CallBlock ParseCallBlock(int line)
    {
        Parameter[] parameters = _tokens.Current.IsOperator("(") ? ParseParameters() : [];
        if (ParseExpression() is not CallExpression call)
            throw new TemplateException("expected call", line);
        return new CallBlock(line, call, ParseMacroBody(line, "caller", parameters, "endcall"));
    }

    private MacroDefinition ParseMacroRest(int line, string name, string end) => ParseMacroBody(line, name, ParseParameters(), end);

    private MacroDefinition ParseMacroBody(int line, string name, Parameter[] parameters, string end)
    {
        MacroUses uses = new();
        _macros.Add(uses);
        Statement[] body = ParseSeparate(() => ParseScope(end));
        _macros.RemoveAt(_macros.Count - 1);
        if (uses.Caller && Array.Find(parameters, parameter => parameter.Name == "caller") is { Default: null })
            throw new TemplateException("the special \"caller\" argument must be omitted or be given a default", line);
        return new MacroDefinition(name, parameters, body, uses.Caller, uses.Keywords, uses.Positional);
    }

    /// <summary>Reads a body that break and continue cannot leave.</summary>
    private Statement[] ParseSeparate(Func<Statement[]> read)
    {
        int loops = _loops;
        _loops = 0;
        Statement[] body = read();
        _loops = loops;
        return body;
    }

    private Parameter[] ParseParameters()
    {
        List<Parameter> parameters = [];
        _tokens.ExpectOperator("(");
        while (!_tokens.Current.IsOperator(")"))
        {
            if (parameters.Count > 0)
                _tokens.ExpectOperator(",");
            string name = ParseNameTarget();
            Expression? value = _tokens.TryTakeOperator("=") ? ParseExpression() : null;
            if (value is null && parameters.Count > 0 && parameters[^1].Default is not null)
                throw Fail("non-default argument follows default argument");
            if (parameters.Exists(other => other.Name == name))
                throw Fail($"duplicate argument '{name}'");
            parameters.Add(new Parameter(name, value));
        }
        _tokens.Take();
        return [.. parameters];
    }

    private WithStatement ParseWith(int line)
    {
        List<(Target, Expression)> values = [];
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
                _tokens.ExpectOperator(",");
            Target target = ParseSingleTarget(withNamespace: false);
            _tokens.ExpectOperator("=");
            values.Add((target, ParseExpression()));
        }
        return new WithStatement(line, [.. values], ParseScope("endwith"));
    }

    // Without inheritance a block is its content, which sees the template's own variables and, if scoped, those around it.
    private ScopeBlock ParseNamedBlock(int line)
    {
        string name = _tokens.Expect(TokenKind.Name).Text;
        if (!_blocks.Add(name))
            throw new TemplateException($"block '{name}' defined twice", line);
        bool scoped = _tokens.TryTakeName("scoped");
        _ = _tokens.TryTakeName("required");
        Statement[] body = ParseSeparate(() => ParseScope("endblock"));
        if (_tokens.Current.Kind == TokenKind.Name && _tokens.Take().Text != name)
            throw new TemplateException($"'endblock' does not name block '{name}'", line);
        return new ScopeBlock(line, body, fromRoot: !scoped);
    }

    private readonly HashSet<string> _blocks = new(StringComparer.Ordinal);

    private ScopeBlock ParseAutoEscape(int line)
    {
        if (ParseExpression() is not Constant { Value: false })
            throw new TemplateException("autoescape is supported only as false: prompts are no HTML", line);
        return new ScopeBlock(line, ParseScope("endautoescape"));
    }
}
