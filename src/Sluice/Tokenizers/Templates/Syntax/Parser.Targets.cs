using Sluice.Tokenizers.Templates.Nodes;

namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>What can be assigned to: names, attributes of namespaces, and tuples of these.</summary>
internal sealed partial class Parser
{
    private Target ParseTarget(bool withNamespace)
    {
        Target first = ParseSingleTarget(withNamespace);
        if (!_tokens.Current.IsOperator(","))
            return first;
        List<Target> targets = [first];
        while (_tokens.TryTakeOperator(","))
        {
            if (_tokens.Current.IsName("in") || _tokens.Current.IsOperator("=") || _tokens.Current.Kind == TokenKind.BlockEnd)
                break;
            targets.Add(ParseSingleTarget(withNamespace));
        }
        return new TupleTarget([.. targets]);
    }

    private Target ParseSingleTarget(bool withNamespace)
    {
        if (_tokens.TryTakeOperator("("))
        {
            Enter();
            Target inner = ParseTarget(withNamespace);
            Leave();
            _tokens.ExpectOperator(")");
            return inner;
        }
        if (_tokens.Current.Kind != TokenKind.Name)
            throw Fail($"can't assign to {_tokens.Current}");
        string name = ParseNameTarget();
        if (!withNamespace || !_tokens.TryTakeOperator("."))
            return new NameTarget(name);
        return new NamespaceTarget(name, _tokens.Expect(TokenKind.Name).Text);
    }

    private string ParseNameTarget()
    {
        string name = _tokens.Expect(TokenKind.Name).Text;
        return name is "true" or "false" or "none" or "True" or "False" or "None"
            ? throw Fail($"can't assign to '{name}'")
            : name;
    }
}
