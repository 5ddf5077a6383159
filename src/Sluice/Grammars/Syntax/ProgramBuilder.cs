namespace Sluice.Grammars.Syntax;

/// <summary>Collects the nodes of a grammar.</summary>
internal sealed class ProgramBuilder
{
    /// <summary>The node from which nothing leads on.</summary>
    public const int Dead = 0;

    /// <summary>The node at which a rule ends.</summary>
    public const int End = 1;

    private const int MostNodes = 400_000;

    private readonly Dictionary<Rule, int> _rules = [];
    private readonly List<Rule> _order = [];
    private int _loop = -1;

    public ProgramBuilder(Rule root)
    {
        Nodes = [new Node(NodeKind.Dead), new Node(NodeKind.End)];
        IsNullable = root.IsNullable;
        IndexOf(root);
        for (int i = 0; i < _order.Count; i++) // grows on the way
            Starts.Add(_order[i].Body.Emit(this, End));
        CheckBeginnings();
    }

    public List<Node> Nodes { get; }

    public List<LoopBounds> Loops { get; } = [];

    public List<int> Starts { get; } = [];

    public bool IsNullable { get; }

    public bool IsInLoop => _loop >= 0;

    public int Byte(byte first, byte last, int next) =>
        next == Dead ? Dead : Add(new Node(NodeKind.Byte, next, Loop: _loop) { First = first, Last = last });

    public int Split(int one, int other) =>
        one == Dead ? other : other == Dead || one == other ? one : Add(new Node(NodeKind.Split, one, other));

    public int Call(Rule rule, int next) => next == Dead ? Dead : Add(new Node(NodeKind.Call, next, IndexOf(rule), _loop));

    public int Enter(int first) => Add(new Node(NodeKind.Enter, first));

    /// <summary>A node that is filled later, as others lead to it.</summary>
    public int Reserve() => Add(default);

    public void FillSplit(int node, int one, int other) => Nodes[node] = new Node(NodeKind.Split, one, other);

    public void FillAgain(int node, int first, int exit, int loop) => Nodes[node] = new Node(NodeKind.Again, first, exit, loop);

    public int BeginLoop(int min, int max)
    {
        Loops.Add(new LoopBounds(min, max));
        return _loop = Loops.Count - 1;
    }

    public void EndLoop() => _loop = -1;

    private int Add(Node node)
    {
        if (Nodes.Count == MostNodes)
            throw new GrammarException($"The grammar is too large: it needs more than {MostNodes:N0} nodes.");
        Nodes.Add(node);
        return Nodes.Count - 1;
    }

    private int IndexOf(Rule rule)
    {
        if (_rules.TryGetValue(rule, out int index))
            return index;
        _rules.Add(rule, index = _order.Count);
        _order.Add(rule);
        return index;
    }

    /// <summary>A rule that begins with itself, perhaps by way of others, would be called for ever.</summary>
    private void CheckBeginnings()
    {
        List<int>[] callers = [.. _order.Select(_ => new List<int>())];
        int[] calls = new int[_order.Count];
        for (int rule = 0; rule < _order.Count; rule++)
        {
            HashSet<int> seen = [Starts[rule]], called = [];
            Stack<int> open = new(seen);
            while (open.TryPop(out int i))
            {
                Node node = Nodes[i];
                if (node.Kind == NodeKind.Call && called.Add(node.Other))
                    callers[node.Other].Add(rule);
                if (node.Kind is NodeKind.Split or NodeKind.Enter && seen.Add(node.Next))
                    open.Push(node.Next);
                if (node.Kind == NodeKind.Split && seen.Add(node.Other))
                    open.Push(node.Other);
            }
            calls[rule] = called.Count;
        }
        // Takes away rules that begin with no other, until none is left.
        Stack<int> done = new(Enumerable.Range(0, calls.Length).Where(rule => calls[rule] == 0));
        int left = calls.Length;
        while (done.TryPop(out int rule))
        {
            left--;
            foreach (int caller in callers[rule])
            {
                if (--calls[caller] == 0)
                    done.Push(caller);
            }
        }
        if (left > 0)
        {
            int rule = Array.FindIndex(calls, count => count > 0);
            throw new GrammarException($"The rule '{_order[rule].Name}' begins with itself (left recursion), which is not supported.");
        }
    }
}
