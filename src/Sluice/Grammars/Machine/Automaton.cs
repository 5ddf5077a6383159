using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Machine;

/// <summary>
/// Runs a grammar over bytes: a pushdown automaton made deterministic as texts need it. Equal states are one object, so that what
/// was computed once is found again. For one thread at a time.
/// </summary>
/// <remarks>
/// States hold open calls, of which there is no bound, so they are forgotten when they take too much room
/// (<see cref="MostBytes"/>) and found anew; who holds a state can go on with it. Places in rules have the costly masks and are few,
/// so they stay longer (<see cref="MostRuleBytes"/>). A grammar for which a single step takes too much (because a text may be in very
/// many places at once) ends with an error.
/// </remarks>
internal sealed class Automaton
{
    private const long MostBytes = 8L << 20;
    private const long MostRuleBytes = 24L << 20;
    private const long MostWork = 32 << 20; // bytes of new states in one operation
    private const int MostPlaces = 8192;
    private const int MostCalls = 1024;
    private const int EndNode = ProgramBuilder.End;

    private readonly Program _program;
    private readonly Dictionary<ulong[], RuleState> _rules = new(KeyComparer.Instance);
    private readonly Dictionary<(RuleState, Frame?), Frame> _frames = [];
    private readonly Dictionary<ulong[], State> _states = new(KeyComparer.Instance);
    private readonly RuleState?[] _starts;
    private readonly Stack<(int Node, int Count)> _nodes = [];
    private readonly HashSet<ulong> _seen = [];
    private readonly List<ulong> _items = [];
    private readonly List<Place> _kernel = [], _open = [], _active = [];
    private uint _lastRule, _lastFrame;
    private long _bytes, _ruleBytes, _work;

    public Automaton(Program program)
    {
        _program = program;
        _starts = new RuleState?[program.Starts.Length];
        DeadRule = new RuleState(0, [], false, 0);
    }

    /// <summary>The classes of bytes.</summary>
    public byte[] ClassOf => _program.ClassOf;

    /// <summary>The place in a rule that no text comes to.</summary>
    public RuleState DeadRule { get; }

    /// <summary>The state of the empty text.</summary>
    public State Start()
    {
        Begin();
        RuleState start = RuleStart(0);
        if (_program.IsNullable) // of rules that are called the empty text never counts
            start = Rule([.. start.Items, .. Closure([(EndNode, 0)])]);
        return Make(start, null);
    }

    /// <summary>To be called before each operation: counts its work, and makes room.</summary>
    public void Begin()
    {
        _work = 0;
        if (_bytes <= MostBytes && _ruleBytes <= MostRuleBytes)
            return;
        _frames.Clear();
        _states.Clear();
        _bytes = 0;
        if (_ruleBytes <= MostRuleBytes)
            return;
        _rules.Clear();
        Array.Clear(_starts);
        _ruleBytes = 0;
    }

    /// <summary>Counts memory that is kept with states.</summary>
    public void Keep(long bytes) => _bytes += bytes;

    /// <summary>Counts memory that is kept with places in rules.</summary>
    public void KeepWithRules(long bytes) => _ruleBytes += bytes;

    /// <summary>The state after one more byte.</summary>
    public State Step(State state, byte value) => state.Active.Length == 0 ? state.IsEnd ? Make([]) : state
        : StepClass(state, _program.ClassOf[value]);

    /// <summary>As <see cref="Step"/>, for a state with active places, by the byte's class.</summary>
    public State StepClass(State state, byte ofClass) => state.Next[ofClass] ?? (state.Next[ofClass] = Advance(state, ofClass));

    /// <summary>The state of one place.</summary>
    public State Make(RuleState rule, Frame? calls) => Make([new Place(rule, calls)]);

    /// <summary>A place in a rule whose next few bytes are the same, with counts that many texts share.</summary>
    /// <param name="rule">A place.</param>
    /// <param name="bytes">How many bytes.</param>
    public RuleState Canonical(RuleState rule, int bytes)
    {
        ulong[]? items = null;
        for (int i = 0; i < rule.Items.Length; i++)
        {
            (int node, int count) = Item(rule.Items[i]);
            if (_program.Nodes[node].Loop is var loop and >= 0 && Far(_program.Loops[loop], count, bytes + 2) is var far && far != count)
                (items ??= [.. rule.Items])[i] = Item(node, far);
        }
        return items is null ? rule : Rule(items);
    }

    /// <summary>A count that is as far from both bounds, or farther than what matters.</summary>
    private static int Far(LoopBounds bounds, int count, int matters)
    {
        if (bounds.Min - count > matters)
            return bounds.Min - matters;
        return count >= bounds.Min && bounds.Max < int.MaxValue && bounds.Max - count > matters ? bounds.Max - matters : count;
    }

    private State Advance(State state, byte ofClass)
    {
        _kernel.Clear();
        foreach ((RuleState rule, Frame? calls) in state.Active)
        {
            RuleState next = rule.Next[ofClass] ?? (rule.Next[ofClass] = AdvanceRule(rule, _program.Classes[ofClass]));
            if (next == DeadRule)
                continue;
            Place place = new(next, calls);
            while (place.Rule.IsOver && place.Calls is { } call)
                place = new Place(call.Return, call.Outer);
            _kernel.Add(place);
        }
        return Make(_kernel);
    }

    private RuleState AdvanceRule(RuleState rule, byte value)
    {
        _nodes.Clear();
        foreach (ulong item in rule.Items)
        {
            (int i, int count) = Item(item);
            ref readonly Node node = ref _program.Nodes[i];
            if (node.Kind == NodeKind.Byte && node.First <= value && value <= node.Last)
                _nodes.Push((node.Next, count));
        }
        return _nodes.Count == 0 ? DeadRule : Rule(Closure());
    }

    private (int Rule, RuleState Return)[] Calls(RuleState rule)
    {
        if (rule.Calls is { } known)
            return known;
        ILookup<int, (int, int)> calls = rule.Items.Select(Item).Where(item => _program.Nodes[item.Node].Kind == NodeKind.Call)
            .ToLookup(item => _program.Nodes[item.Node].Other, item => (_program.Nodes[item.Node].Next, item.Count));
        return rule.Calls = [.. calls.Select(call => (call.Key, Rule(Closure(call))))];
    }

    private RuleState RuleStart(int rule) => _starts[rule]
        ??= Rule(Array.FindAll(Closure([(_program.Starts[rule], 0)]), item => Item(item).Node != EndNode));

    private ulong[] Closure(IEnumerable<(int, int)> from)
    {
        _nodes.Clear();
        foreach ((int, int) item in from)
            _nodes.Push(item);
        return Closure();
    }

    /// <summary>The items that can be reached from the open nodes without a byte.</summary>
    private ulong[] Closure()
    {
        _seen.Clear();
        _items.Clear();
        while (_nodes.TryPop(out (int Node, int Count) at))
        {
            if (!_seen.Add(Item(at.Node, at.Count)))
                continue;
            ref readonly Node node = ref _program.Nodes[at.Node];
            switch (node.Kind)
            {
                case NodeKind.Split:
                    _nodes.Push((node.Next, at.Count));
                    _nodes.Push((node.Other, at.Count));
                    break;
                case NodeKind.Enter:
                    _nodes.Push((node.Next, 0));
                    break;
                case NodeKind.Again:
                    (int min, int max) = _program.Loops[node.Loop];
                    int count = max == int.MaxValue ? Math.Min(at.Count + 1, min) : at.Count + 1;
                    if (count < max)
                        _nodes.Push((node.Next, count));
                    if (count >= min)
                        _nodes.Push((node.Other, 0));
                    break;
                default:
                    if (node.Kind != NodeKind.Dead)
                        _items.Add(Item(at.Node, at.Count));
                    break;
            }
            if (_seen.Count > MostPlaces)
                throw TooMuch();
        }
        return [.. _items];
    }

    private RuleState Rule(ulong[] items)
    {
        if (items.Length == 0)
            return DeadRule;
        Array.Sort(items);
        if (_rules.TryGetValue(items, out RuleState? known))
            return known;
        int kept = 1; // two places may have become one
        for (int i = 1; i < items.Length; i++)
        {
            if (items[i] != items[kept - 1])
                items[kept++] = items[i];
        }
        if (kept < items.Length)
            return Rule(items[..kept]);
        Spend((items.Length * 8) + (_program.Classes.Length * 8) + 160, ref _ruleBytes);
        RuleState state = new(++_lastRule, items, Array.Exists(items, item => Item(item).Node == EndNode), _program.Classes.Length)
        {
            HasBytes = Array.Exists(items, item => _program.Nodes[Item(item).Node].Kind == NodeKind.Byte),
        };
        _rules.Add(items, state);
        return state;
    }

    private Frame Push(RuleState @return, Frame? outer)
    {
        if (_frames.TryGetValue((@return, outer), out Frame? known))
            return known;
        if (outer?.Depth == MostCalls)
            throw new InvalidOperationException($"The text nests more than {MostCalls} rules of its grammar within each other.");
        Spend(120, ref _bytes);
        Frame frame = new(++_lastFrame, @return, outer);
        _frames.Add((@return, outer), frame);
        return frame;
    }

    private State Make(List<Place> kernel)
    {
        kernel.Sort((x, y) => x.Key.CompareTo(y.Key));
        int kept = 0;
        for (int i = 0; i < kernel.Count; i++)
        {
            if (i == 0 || kernel[i] != kernel[kept - 1])
                kernel[kept++] = kernel[i];
        }
        kernel.RemoveRange(kept, kernel.Count - kept);
        ulong[] key = [.. kernel.Select(place => place.Key)];
        if (_states.TryGetValue(key, out State? known))
            return known;
        Place[] places = [.. kernel];
        bool isEnd = Expand(places);
        Spend((places.Length * 24) + (_active.Count * 16) + (_active.Count == 0 ? 0 : _program.Classes.Length * 8) + 200, ref _bytes);
        State state = new(places, [.. _active], isEnd, _program.Classes.Length);
        _states.Add(key, state);
        return state;
    }

    /// <summary>Follows calls and returns from some places to those from which a byte may come.</summary>
    /// <returns>Whether the text may end.</returns>
    private bool Expand(Place[] places)
    {
        HashSet<Place> seen = [.. places];
        bool isEnd = false;
        _open.Clear();
        _open.AddRange(places);
        _active.Clear();
        while (_open.Count > 0)
        {
            Place place = _open[^1];
            _open.RemoveAt(_open.Count - 1);
            if (place.Rule.HasBytes)
                _active.Add(place);
            foreach ((int rule, RuleState @return) in Calls(place.Rule))
                Add(new Place(RuleStart(rule), @return.IsOver ? place.Calls : Push(@return, place.Calls)));
            if (place.Rule.IsEnd && place.Calls is { } call)
                Add(new Place(call.Return, call.Outer));
            else
                isEnd |= place.Rule.IsEnd;
        }
        return isEnd;

        void Add(Place place)
        {
            if (!seen.Add(place))
                return;
            if (seen.Count > MostPlaces)
                throw TooMuch();
            _open.Add(place);
        }
    }

    private void Spend(long bytes, ref long kept)
    {
        kept += bytes;
        if ((_work += bytes) > MostWork)
            throw TooMuch();
    }

    private static InvalidOperationException TooMuch() =>
        new("The grammar is too ambiguous: a text may be in too many places of it at once.");

    private static ulong Item(int node, int count) => ((ulong)node << 32) | (uint)count;

    private static (int Node, int Count) Item(ulong item) => ((int)(item >> 32), (int)(uint)item);
}
