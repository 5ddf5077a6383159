using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Grammars.Machine;

/// <summary>The tokens that may come at a place of a rule.</summary>
/// <param name="Bits">A bit for each token that ends within the rule.</param>
/// <param name="Leaving">
/// Nodes of the tree of tokens whose parent is where the rule may end: whether their subtrees may come is for what is called
/// around the rule to say. In the order of their bytes.
/// </param>
internal sealed record RuleMask(ulong[] Bits, int[] Leaving);

/// <summary>
/// Which tokens may come in each state of a grammar. Walking the whole tree of tokens would take milliseconds, but what it gives
/// depends, for nearly all tokens, on the place in the rule alone and not on the calls around it (an observation of XGrammar, Dong
/// et al. 2024). So that part is kept for each place, and what is left is walked for each new state.
/// </summary>
internal sealed class TokenMasks(Automaton automaton, TokenTree tree)
{
    private readonly State[] _states = new State[tree.Depth + 1]; // of the path to the node that is looked at
    private readonly List<int> _leaving = [];

    private int Words => (tree.Size + 63) / 64;

    /// <summary>The tokens that may come, a bit each; a token that ends the text where it may end.</summary>
    public ulong[] Of(State state)
    {
        if (state.Mask is { } known)
            return known;
        automaton.Begin();
        ulong[] bits = new ulong[Words];
        foreach ((RuleState rule, Frame? calls) in state.Kernel)
        {
            RuleMask mask = Of(rule);
            Add(mask.Bits, bits);
            if (calls is not null && mask.Leaving.Length > 0)
                Leave(automaton.Make(calls.Return, calls.Outer), mask.Leaving, bits);
        }
        if (state.IsEnd)
        {
            foreach (int token in tree.Ends)
                Set(bits, token);
        }
        automaton.Keep(bits.Length * 8);
        return state.Mask = bits;
    }

    private RuleMask Of(RuleState rule)
    {
        if (rule.Mask is { } known)
            return known;
        RuleState canonical = automaton.Canonical(rule, tree.Depth);
        return rule.Mask = canonical.Mask ??= Compute(canonical);
    }

    private RuleMask Compute(RuleState rule)
    {
        ulong[] bits = new ulong[Words];
        _leaving.Clear();
        State state = automaton.Make(rule, null);
        if (state.IsEnd)
            AddChildren(0);
        if (state.Active.Length > 0)
            Walk(0, state, bits, isLeaving: true);
        int[] leaving = [.. _leaving];
        Array.Sort(leaving, (x, y) => (tree.Labels[x], x).CompareTo((tree.Labels[y], y)));
        automaton.Keep((bits.Length * 8) + (leaving.Length * 4));
        return new RuleMask(bits, leaving);
    }

    /// <summary>Adds the tokens that leave a rule and go on after the call.</summary>
    private void Leave(State after, int[] nodes, ulong[] bits)
    {
        if (after.Active.Length == 0)
            return;
        State? next = null;
        int label = -1;
        foreach (int node in nodes)
        {
            if (tree.Labels[node] != label)
            {
                label = tree.Labels[node];
                next = automaton.StepClass(after, automaton.ClassOf[label]);
            }
            if (next!.IsDead)
                continue;
            SetTokens(node, bits);
            if (next.Active.Length > 0)
                Walk(node, next, bits, isLeaving: false);
        }
    }

    /// <summary>Adds the tokens below a node.</summary>
    /// <param name="root">The node.</param>
    /// <param name="state">The state there; it has active places.</param>
    /// <param name="bits">Where to.</param>
    /// <param name="isLeaving">Whether to note where the rule may end.</param>
    private void Walk(int root, State state, ulong[] bits, bool isLeaving)
    {
        ReadOnlySpan<byte> labels = tree.Labels, classOf = automaton.ClassOf;
        ReadOnlySpan<int> depths = tree.Depths, ends = tree.SubtreeEnds;
        _states[depths[root]] = state;
        int end = ends[root];
        for (int node = root + 1; node < end;)
        {
            State next = automaton.StepClass(_states[depths[node] - 1], classOf[labels[node]]);
            if (next.IsDead)
            {
                node = ends[node];
                continue;
            }
            SetTokens(node, bits);
            if (next.IsEnd && isLeaving)
                AddChildren(node);
            _states[depths[node]] = next;
            node = next.Active.Length > 0 ? node + 1 : ends[node];
        }
    }

    private void AddChildren(int node)
    {
        for (int child = node + 1; child < tree.SubtreeEnds[node]; child = tree.SubtreeEnds[child])
            _leaving.Add(child);
    }

    private void SetTokens(int node, ulong[] bits)
    {
        for (int t = tree.Firsts[node]; t < tree.Firsts[node + 1]; t++)
            Set(bits, tree.Tokens[t]);
    }

    private static void Add(ReadOnlySpan<ulong> more, Span<ulong> bits)
    {
        ReadOnlySpan<Vector256<ulong>> from = MemoryMarshal.Cast<ulong, Vector256<ulong>>(more);
        Span<Vector256<ulong>> to = MemoryMarshal.Cast<ulong, Vector256<ulong>>(bits);
        for (int i = 0; i < to.Length; i++)
            to[i] |= from[i];
        for (int i = to.Length * Vector256<ulong>.Count; i < bits.Length; i++)
            bits[i] |= more[i];
    }

    private static void Set(ulong[] bits, int token) => bits[token >> 6] |= 1UL << (token & 63);
}
