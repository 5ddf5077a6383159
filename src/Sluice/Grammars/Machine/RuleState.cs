namespace Sluice.Grammars.Machine;

/// <summary>
/// Where a text may be within one rule: a set of nodes, each with the count of its loop. What is not about any one text (the next
/// states, the mask) is computed once and kept here.
/// </summary>
/// <param name="id">A number of its own.</param>
/// <param name="items">The nodes, of kinds Byte, Call and End: node * 2^32 + count, ascending.</param>
/// <param name="isEnd">Whether the rule may end here.</param>
/// <param name="classes">How many classes of bytes there are.</param>
internal sealed class RuleState(uint id, ulong[] items, bool isEnd, int classes)
{
    public uint Id => id;

    public ulong[] Items => items;

    public bool IsEnd => isEnd;

    /// <summary>Whether nothing is left of the rule, so that a call that returns here need not return.</summary>
    public bool IsOver => isEnd && items.Length == 1;

    /// <summary>The states after a byte of each class, as far as known; <see cref="Automaton.DeadRule"/> where there is none.</summary>
    public RuleState?[] Next { get; } = new RuleState?[classes];

    /// <summary>Whether any byte may come before a call or the end.</summary>
    public bool HasBytes { get; init; }

    /// <summary>The rules that may be called, and where each returns; null until asked for.</summary>
    public (int Rule, RuleState Return)[]? Calls { get; set; }

    /// <summary>The tokens that may come, as far as that depends on the rule alone; null until asked for.</summary>
    public RuleMask? Mask { get; set; }
}

/// <summary>An open call: where it returns, and the call around it.</summary>
internal sealed class Frame(uint id, RuleState @return, Frame? outer)
{
    public uint Id => id; // 0 stands for none

    public RuleState Return => @return;

    public Frame? Outer => outer;

    public int Depth { get; } = (outer?.Depth ?? 0) + 1;
}

/// <summary>A place in a rule, and the calls that are open around it.</summary>
internal readonly record struct Place(RuleState Rule, Frame? Calls)
{
    public ulong Key => ((ulong)Rule.Id << 32) | (Calls?.Id ?? 0);
}

/// <summary>All that a grammar remembers of a text: the places where it may be.</summary>
/// <param name="kernel">The places as the last byte left them.</param>
/// <param name="active">Those from which a byte may come, calls and returns considered.</param>
/// <param name="isEnd">Whether the text may end here.</param>
/// <param name="classes">How many classes of bytes there are.</param>
internal sealed class State(Place[] kernel, Place[] active, bool isEnd, int classes)
{
    public Place[] Kernel => kernel;

    public Place[] Active => active;

    public bool IsEnd => isEnd;

    /// <summary>Whether the text is wrong: it can neither end nor go on.</summary>
    public bool IsDead { get; } = !isEnd && active.Length == 0;

    /// <summary>Whether the text may go on.</summary>
    public bool HasNext { get; } = active.Length > 0;

    /// <summary>The states after a byte of each class, as far as known.</summary>
    public State?[] Next { get; } = new State?[active.Length == 0 ? 0 : classes];

    /// <summary>The tokens that may come, as sets that may overlap; null until asked for.</summary>
    public TokenSet[]? Mask { get; set; }
}

/// <summary>Arrays of keys that are equal by their contents.</summary>
internal sealed class KeyComparer : IEqualityComparer<ulong[]>
{
    public static readonly KeyComparer Instance = new();

    public bool Equals(ulong[]? x, ulong[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(ulong[] keys)
    {
        HashCode hash = default;
        hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(keys.AsSpan()));
        return hash.ToHashCode();
    }
}
