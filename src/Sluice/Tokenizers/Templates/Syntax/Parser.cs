using System.Runtime.CompilerServices;
using Sluice.Tokenizers.Templates.Nodes;

namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>
/// Builds the tree of a template, by recursive descent with the precedences of Jinja2. What nests is counted, so that a hostile
/// template ends in an exception rather than at the end of the stack.
/// </summary>
internal sealed partial class Parser
{
    private const int MaxNesting = 200;
    private const int MaxSourceLength = 4 << 20;

    private readonly TokenReader _tokens;
    private readonly List<MacroUses> _macros = [];
    private int _nesting;
    private int _loops; // that break and continue could leave

    // Jinja reports a filter or test that does not exist when it reads the template, except directly within an "if", where
    // templates guard against older versions: there it is an error only if it is reached.
    private readonly List<TemplateException> _unknown = [];
    private bool _guarded;

    private Parser(List<Token> tokens) => _tokens = new TokenReader(tokens);

    /// <summary>The statements of a template.</summary>
    /// <exception cref="TemplateException">It is not a valid template; the message says where.</exception>
    public static Statement[] Parse(string source)
    {
        if (source.Length > MaxSourceLength)
            throw new TemplateException($"the template is longer than {MaxSourceLength} characters");
        Parser parser = new(Lexer.Read(source));
        Statement[] body = parser.ParseBody();
        return parser._unknown.Count == 0 ? body : throw parser._unknown[0];
    }

    private void Enter()
    {
        if (++_nesting > MaxNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Fail($"the template nests more than {MaxNesting} levels deep");
    }

    private void Leave() => _nesting--;

    private TemplateException Fail(string reason) => new(reason, _tokens.Current.Line);

    /// <summary>The special names that a macro's body mentions: these decide which arguments it takes.</summary>
    private sealed class MacroUses
    {
        public bool Caller, Keywords, Positional;
    }
}
