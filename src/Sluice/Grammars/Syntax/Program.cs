namespace Sluice.Grammars.Syntax;

internal enum NodeKind : byte
{
    /// <summary>Nothing leads on from here.</summary>
    Dead,

    /// <summary>The rule's end.</summary>
    End,

    /// <summary>A byte from First to Last, then Next.</summary>
    Byte,

    /// <summary>Next or Other.</summary>
    Split,

    /// <summary>A text of rule Other that is not empty, then Next.</summary>
    Call,

    /// <summary>The first round of a counted loop: at Next, with the counter at zero.</summary>
    Enter,

    /// <summary>The end of a round: another at Next, or on with Other, as the count says.</summary>
    Again,
}

/// <param name="Kind">What it is.</param>
/// <param name="Next">A node.</param>
/// <param name="Other">Another node, or a rule.</param>
/// <param name="Loop">The counted loop that it is in, or ends; -1 for none.</param>
internal readonly record struct Node(NodeKind Kind, int Next = 0, int Other = 0, int Loop = -1)
{
    public byte First { get; init; }
    public byte Last { get; init; }
}

/// <summary>How often a loop goes round: 1 to <see cref="int.MaxValue"/> at most.</summary>
internal readonly record struct LoopBounds(int Min, int Max);

/// <summary>A grammar as nodes: each rule is an automaton of its own, with one counter, whose calls are a pushdown automaton's.</summary>
internal sealed class Program
{
    private Program(ProgramBuilder builder)
    {
        (Nodes, Loops, Starts, IsNullable) = ([.. builder.Nodes], [.. builder.Loops], [.. builder.Starts], builder.IsNullable);
        (ClassOf, Classes) = Classify(Nodes);
    }

    public Node[] Nodes { get; }

    public LoopBounds[] Loops { get; }

    /// <summary>Each rule's first node; the grammar's own rule is the first.</summary>
    public int[] Starts { get; }

    /// <summary>Whether the empty text matches.</summary>
    public bool IsNullable { get; }

    /// <summary>The class of each byte: the grammar tells no two of a class apart.</summary>
    public byte[] ClassOf { get; }

    /// <summary>One byte of each class.</summary>
    public byte[] Classes { get; }

    /// <exception cref="GrammarException">No text matches, a rule begins with itself, or there is too much of it.</exception>
    public static Program Of(Rule root)
    {
        Rule.Settle(root);
        if (!root.IsPossible)
            throw new GrammarException("No text can ever match this grammar: each way through it is impossible or has no end.");
        return new Program(new ProgramBuilder(root));
    }

    private static (byte[] ClassOf, byte[] Classes) Classify(Node[] nodes)
    {
        bool[] begins = new bool[257];
        foreach (Node node in nodes)
        {
            if (node.Kind == NodeKind.Byte)
                begins[node.First] = begins[node.Last + 1] = true;
        }
        byte[] classOf = new byte[256];
        List<byte> classes = [0];
        for (int b = 1; b < 256; b++)
        {
            if (begins[b])
                classes.Add((byte)b);
            classOf[b] = (byte)(classes.Count - 1);
        }
        return (classOf, [.. classes]);
    }
}
