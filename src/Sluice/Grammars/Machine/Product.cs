using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Machine;

/// <summary>What two expressions without recursion both match, or what one matches and the other does not: as an expression again.</summary>
internal sealed class Product : Expression
{
    private const int MostStates = 30_000;

    private readonly List<List<(byte First, byte Last, int To)>> _edges = [];
    private readonly List<bool> _ends = [];
    private readonly bool[] _leadsOn;

    private Product(Expression one, Expression other, bool isDifference)
    {
        Program[] programs = [Program.Of(new Rule("one") { Body = one }), Program.Of(new Rule("other") { Body = other })];
        Automaton first = new(programs[0]), second = new(programs[1]);
        Dictionary<(State, State), int> numbers = [];
        List<(State One, State Other)> pairs = [];
        Number(first.Start(), second.Start());
        for (int i = 0; i < pairs.Count; i++)
        {
            _edges.Add([]);
            _ends.Add(pairs[i].One.IsEnd && pairs[i].Other.IsEnd != isDifference);
            for (int from = 0, to; from < 256; from = to)
            {
                // As long as neither tells the bytes apart.
                for (to = from + 1; to < 256 && first.ClassOf[to] == first.ClassOf[from] && second.ClassOf[to] == second.ClassOf[from];)
                    to++;
                State next = first.Step(pairs[i].One, (byte)from), otherNext = second.Step(pairs[i].Other, (byte)from);
                if (!next.IsDead && (isDifference || !otherNext.IsDead))
                    _edges[i].Add(((byte)from, (byte)(to - 1), Number(next, otherNext)));
            }
        }
        _leadsOn = LeadsToEnd();

        int Number(State one, State other)
        {
            if (!numbers.TryGetValue((one, other), out int number))
            {
                if ((number = pairs.Count) == MostStates)
                    throw new GrammarException("The combination of patterns and lengths needs too many states.");
                numbers.Add((one, other), number);
                pairs.Add((one, other));
            }
            return number;
        }
    }

    public override bool IsNullable => _ends[0];

    public override bool IsPossible => _leadsOn[0];

    /// <summary>Texts that both match.</summary>
    /// <exception cref="GrammarException">There are too many states.</exception>
    public static Expression Both(Expression one, Expression other) => Of(one, other, isDifference: false);

    /// <summary>Texts that one matches and the other does not.</summary>
    /// <exception cref="GrammarException">There are too many states.</exception>
    public static Expression Without(Expression one, Expression other) => Of(one, other, isDifference: true);

    /// <summary>Any text that a part does not occur in.</summary>
    /// <exception cref="GrammarException">There are too many states.</exception>
    public static Expression TextWithout(Expression part) => Without(Utf8Bytes.AnyText, Then(Utf8Bytes.AnyText, part, Utf8Bytes.AnyText));

    public override int Emit(ProgramBuilder nodes, int next)
    {
        int[] states = [.. _leadsOn.Select(leadsOn => leadsOn ? nodes.Reserve() : ProgramBuilder.Dead)];
        for (int i = 0; i < states.Length; i++)
        {
            if (!_leadsOn[i])
                continue;
            int options = _ends[i] ? next : ProgramBuilder.Dead;
            foreach ((byte first, byte last, int to) in _edges[i])
                options = nodes.Split(nodes.Byte(first, last, states[to]), options);
            nodes.FillSplit(states[i], options, ProgramBuilder.Dead);
        }
        return states[0];
    }

    private static Expression Of(Expression one, Expression other, bool isDifference)
    {
        if (!one.IsPossible)
            return Nothing;
        if (!other.IsPossible)
            return isDifference ? one : Nothing;
        try
        {
            return new Product(one, other, isDifference);
        }
        catch (InvalidOperationException error)
        {
            throw new GrammarException(error.Message);
        }
    }

    private bool[] LeadsToEnd()
    {
        ILookup<int, int> origins = _edges.Index().SelectMany(state => state.Item.Select(edge => (edge.To, From: state.Index)))
            .ToLookup(edge => edge.To, edge => edge.From);
        bool[] leadsOn = [.. _ends];
        Stack<int> open = new(Enumerable.Range(0, leadsOn.Length).Where(i => leadsOn[i]));
        while (open.TryPop(out int state))
        {
            foreach (int origin in origins[state])
            {
                if (!leadsOn[origin])
                {
                    leadsOn[origin] = true;
                    open.Push(origin);
                }
            }
        }
        return leadsOn;
    }
}
