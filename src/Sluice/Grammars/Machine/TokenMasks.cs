namespace Sluice.Grammars.Machine;

/// <summary>The tokens that may come at a place of a rule.</summary>
/// <param name="Within">Those that end within the rule.</param>
/// <param name="Leaving">
/// Nodes of the tree of tokens whose parent is where the rule may end: whether their subtrees may come is for what is called
/// around the rule to say. Those of each byte together.
/// </param>
internal sealed record RuleMask(TokenSet Within, int[][] Leaving);

/// <summary>
/// Which tokens may come in each state of a grammar. Walking the whole tree of tokens would take milliseconds, but what it gives
/// depends, for nearly all tokens, on the place in the rule alone and not on the calls around it (an observation of XGrammar, Dong
/// et al. 2024). So that part is kept for each place, and what is left is walked for each new state.
/// </summary>
/// <remarks>
/// Places that differ in their counts alone (how much of a <c>maxLength</c> is left) differ in long tokens alone: only these are walked.
/// </remarks>
internal sealed class TokenMasks(Automaton automaton, TokenTree tree)
{
    private const int FewBytes = 4; // for fewer it pays no longer

    private readonly State[] _states = new State[tree.Depth + 1]; // of the path to the node that is looked at
    private readonly ulong[] _bits = new ulong[tree.Words];
    private readonly List<int> _leaving = [];

    /// <summary>The tokens that may come, as sets that may overlap; a token that ends the text where it may end.</summary>
    public TokenSet[] Of(State state)
    {
        if (state.Mask is { } known)
            return known;
        automaton.Begin();
        List<TokenSet> sets = [];
        foreach ((RuleState rule, _) in state.Kernel)
        {
            if (Of(rule).Within is { IsEmpty: false } within && !sets.Contains(within))
                sets.Add(within);
        }
        Array.Clear(_bits);
        foreach ((RuleState rule, Frame? calls) in state.Kernel)
        {
            if (calls is not null && Of(rule).Leaving is { Length: > 0 } leaving)
                Leave(automaton.Make(calls.Return, calls.Outer), leaving);
        }
        if (state.IsEnd)
        {
            foreach (int token in tree.Ends)
                _bits[token >> 6] |= 1UL << (token & 63);
        }
        TokenSet more = new(_bits);
        if (!more.IsEmpty)
            sets.Add(more);
        automaton.Keep(more.Bytes);
        return state.Mask = [.. sets];
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
        // A place with smaller counts that says the same of all tokens but those of more bytes.
        int same = tree.Depth;
        RuleState other = rule;
        while (other == rule && (same /= 2) >= FewBytes)
            other = automaton.Canonical(rule, same);
        if (other == rule)
            same = 0;
        RuleMask? known = other == rule ? null : Of(other);

        Array.Clear(_bits);
        known?.Within.AddTo(_bits);
        _leaving.Clear();
        foreach (int[] nodes in known?.Leaving ?? [])
            _leaving.AddRange(nodes.Where(node => tree.Depths[node] - 1 <= same));
        State state = automaton.Make(rule, null);
        if (state.IsEnd && known is null)
            AddChildren(0);
        if (state.HasNext)
            Walk(0, state, isLeaving: true, same);
        int[][] leaving = [.. _leaving.GroupBy(node => tree.Labels[node], (_, nodes) => nodes.ToArray())];
        RuleMask mask = new(new TokenSet(_bits), leaving);
        automaton.KeepWithRules(mask.Within.Bytes + (_leaving.Count * 4) + (leaving.Length * 64));
        return mask;
    }

    /// <summary>Adds the tokens that leave a rule and go on after the call.</summary>
    private void Leave(State after, int[][] leaving)
    {
        if (!after.HasNext)
            return;
        foreach (int[] nodes in leaving)
        {
            State next = automaton.StepClass(after, automaton.ClassOf[tree.Labels[nodes[0]]]);
            if (next.IsDead)
                continue;
            foreach (int node in nodes)
            {
                SetTokens(node);
                if (next.HasNext)
                    Walk(node, next, isLeaving: false, known: 0);
            }
        }
    }

    /// <summary>Adds the tokens below a node.</summary>
    /// <param name="root">The node.</param>
    /// <param name="state">The state there; it has active places.</param>
    /// <param name="isLeaving">Whether to note where the rule may end.</param>
    /// <param name="known">Up to which depth all is known: of longer tokens, those that may not come are taken away.</param>
    private void Walk(int root, State state, bool isLeaving, int known)
    {
        ReadOnlySpan<byte> labels = tree.Labels, classOf = automaton.ClassOf;
        ReadOnlySpan<int> depths = tree.Depths, ends = tree.SubtreeEnds, deepest = tree.Deepest;
        _states[depths[root]] = state;
        int end = ends[root];
        for (int node = root + 1; node < end;)
        {
            if (deepest[node] <= known)
            {
                node = ends[node];
                continue;
            }
            State next = automaton.StepClass(_states[depths[node] - 1], classOf[labels[node]]);
            if (!next.IsDead)
            {
                SetTokens(node);
                if (next.IsEnd && isLeaving && depths[node] > known)
                    AddChildren(node);
                if (next.HasNext)
                {
                    _states[depths[node]] = next;
                    node++;
                    continue;
                }
            }
            if (known > 0 && depths[node] >= known)
                ClearTokens(next.IsDead ? node : node + 1, ends[node]);
            node = ends[node];
        }
    }

    private void AddChildren(int node)
    {
        for (int child = node + 1; child < tree.SubtreeEnds[node]; child = tree.SubtreeEnds[child])
            _leaving.Add(child);
    }

    private void SetTokens(int node)
    {
        for (int t = tree.Firsts[node]; t < tree.Firsts[node + 1]; t++)
            _bits[tree.Tokens[t] >> 6] |= 1UL << (tree.Tokens[t] & 63);
    }

    private void ClearTokens(int first, int end)
    {
        for (int t = tree.Firsts[first]; t < tree.Firsts[end]; t++)
            _bits[tree.Tokens[t] >> 6] &= ~(1UL << (tree.Tokens[t] & 63));
    }
}
