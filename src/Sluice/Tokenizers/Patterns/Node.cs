namespace Sluice.Tokenizers.Patterns;

/// <summary>A parsed pattern. <see cref="Emit"/> is how each kind becomes instructions of the matcher.</summary>
internal abstract class Node
{
    /// <summary>Whether it can match nothing.</summary>
    public abstract bool IsNullable { get; }

    /// <summary>The ASCII characters that a match (but the empty one) can begin with; all, where that is not known.</summary>
    public virtual UInt128 First => UInt128.MaxValue;

    public abstract void Emit(List<Instruction> program);
}

internal sealed class SetNode(CharSet set) : Node
{
    public CharSet Set => set;
    public override bool IsNullable => false;
    public override UInt128 First => set.Ascii;
    public override void Emit(List<Instruction> program) => program.Add(new(Opcode.Set) { Set = set });
}

internal sealed class SequenceNode(Node[] parts) : Node
{
    public override bool IsNullable => parts.All(part => part.IsNullable);

    public override UInt128 First
    {
        get
        {
            UInt128 first = 0;
            foreach (Node part in parts)
            {
                first |= part.First;
                if (!part.IsNullable)
                    return first;
            }
            return UInt128.MaxValue;
        }
    }

    public override void Emit(List<Instruction> program)
    {
        foreach (Node part in parts)
            part.Emit(program);
    }
}

internal sealed class ChoiceNode(Node[] choices) : Node
{
    public override bool IsNullable => choices.Any(choice => choice.IsNullable);

    public override UInt128 First => choices.Aggregate(UInt128.Zero, (first, choice) => first | choice.First);

    public override void Emit(List<Instruction> program)
    {
        List<int> jumps = [];
        foreach (Node choice in choices.AsSpan(..^1))
        {
            int split = program.Count;
            program.Add(default);
            choice.Emit(program);
            jumps.Add(program.Count);
            program.Add(default);
            UInt128 first = choice.IsNullable ? UInt128.MaxValue : choice.First;
            program[split] = new(Opcode.Split) { First = split + 1, Second = program.Count, FirstAscii = first };
        }
        choices[^1].Emit(program);
        foreach (int jump in jumps)
            program[jump] = new(Opcode.Jump) { First = program.Count };
    }
}

/// <summary>A repeated part: greedy unless <paramref name="isLazy"/>; if possessive, what it took is never given back.</summary>
internal sealed class RepeatNode(Node part, int min, int max, bool isLazy, bool isPossessive) : Node
{
    public override bool IsNullable => min == 0 || part.IsNullable;

    public override UInt128 First => part.First;

    public override void Emit(List<Instruction> program)
    {
        if (part is SetNode single && !isLazy)
        {
            program.Add(new(Opcode.Loop) { Set = single.Set, First = min, Second = max, Flag = isPossessive });
            return;
        }
        int atomic = program.Count;
        if (isPossessive)
            program.Add(default);
        for (int i = 0; i < min; i++)
            part.Emit(program);
        if (max == int.MaxValue)
        {
            int split = program.Count;
            program.Add(default);
            part.Emit(program);
            program.Add(new(Opcode.Jump) { First = split });
            program[split] = Split(split + 1, program.Count);
        }
        else
        {
            List<int> splits = [];
            for (int i = min; i < max; i++)
            {
                splits.Add(program.Count);
                program.Add(default);
                part.Emit(program);
            }
            foreach (int split in splits)
                program[split] = Split(split + 1, program.Count);
        }
        if (isPossessive)
        {
            program.Add(new(Opcode.Match));
            program[atomic] = new(Opcode.Atomic) { First = program.Count };
        }
    }

    private Instruction Split(int into, int past) => isLazy
        ? new(Opcode.Split) { First = past, Second = into, FirstAscii = UInt128.MaxValue }
        : new(Opcode.Split)
        {
            First = into,
            Second = past,
            FirstAscii = part.IsNullable ? UInt128.MaxValue : part.First,
        };
}

/// <summary>(?=...), (?!...) and (?>...).</summary>
internal sealed class NestedNode(Opcode opcode, Node body, bool isNegative = false) : Node
{
    public override bool IsNullable => opcode == Opcode.Ahead || body.IsNullable;

    public override void Emit(List<Instruction> program)
    {
        int start = program.Count;
        program.Add(default);
        body.Emit(program);
        program.Add(new(Opcode.Match));
        program[start] = new(opcode) { First = program.Count, Flag = isNegative };
    }
}

/// <summary>^, $ (at the ends of lines, as Oniguruma has them), \b and \B.</summary>
internal sealed class AnchorNode(Opcode opcode, bool isNegative = false) : Node
{
    public override bool IsNullable => true;

    public override void Emit(List<Instruction> program) => program.Add(new(opcode) { Flag = isNegative });
}

internal enum Opcode : byte
{
    /// <summary>The pattern, or the nested part, matched.</summary>
    Match,

    /// <summary>One character of the set.</summary>
    Set,

    /// <summary>First to Second characters of the set, as many as possible (Flag: and none given back).</summary>
    Loop,

    /// <summary>Go on at First.</summary>
    Jump,

    /// <summary>Go on at First, or else at Second; at once at Second if the next character is not in FirstAscii.</summary>
    Split,

    /// <summary>The nested part that follows must match (Flag: must not), taking nothing; then go on at First.</summary>
    Ahead,

    /// <summary>The nested part that follows must match; then go on at First, whatever other ways it had.</summary>
    Atomic,

    /// <summary>At the beginning of a line.</summary>
    LineStart,

    /// <summary>At the end of a line.</summary>
    LineEnd,

    /// <summary>Between a word character and another (Flag: anywhere else).</summary>
    WordEdge,
}

internal readonly record struct Instruction(Opcode Opcode)
{
    public CharSet? Set { get; init; }
    public UInt128 FirstAscii { get; init; }
    public int First { get; init; }
    public int Second { get; init; }
    public bool Flag { get; init; }
}
