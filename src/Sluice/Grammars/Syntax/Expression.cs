using System.Text;

namespace Sluice.Grammars.Syntax;

/// <summary>
/// What every front end (JSON schema, regular expression, GBNF, choice) writes a grammar in: expressions over bytes of UTF-8, with
/// rules that may call each other. How each becomes nodes of an automaton is in <see cref="Emit"/>.
/// </summary>
internal abstract class Expression
{
    /// <summary>No text, which is always there.</summary>
    public static readonly Expression Empty = new Sequence([]);

    /// <summary>What no text matches.</summary>
    public static readonly Expression Nothing = new Choice([]);

    /// <summary>Whether the empty text matches. Of rules, as far as known (<see cref="Rule.Settle"/>).</summary>
    public abstract bool IsNullable { get; }

    /// <summary>Whether any text matches. Of rules, as far as known.</summary>
    public abstract bool IsPossible { get; }

    /// <summary>The expressions within, but for those of other rules.</summary>
    public virtual IEnumerable<Expression> Parts => [];

    /// <summary>A text as it is.</summary>
    public static Expression Text(string text) => new Literal(Encoding.UTF8.GetBytes(text));

    /// <summary>
    /// A control token by its name, as <c>&lt;|tool_call|&gt;</c>. Control tokens are never part of a text, so that nothing else
    /// matches them: in the vocabulary's tree they stand behind a byte that UTF-8 does not have.
    /// </summary>
    public static Expression ControlToken(string name) => new Literal([ControlMark, .. Encoding.UTF8.GetBytes(name)]);

    /// <summary>The byte that control tokens begin with in the vocabulary's tree.</summary>
    public const byte ControlMark = 0xFF;

    public static Expression Then(params Expression[] parts) => parts.Length == 1 ? parts[0] : new Sequence(parts);

    public static Expression Any(params Expression[] options) => options.Length == 1 ? options[0] : new Choice(options);

    public Expression Optional() => new Repeat(this, 0, 1);

    /// <summary>This, min to max times; <see cref="int.MaxValue"/> for any number.</summary>
    public Expression Times(int min, int max) => (min, max) switch
    {
        (1, 1) => this,
        (_, 0) => Empty,
        _ => new Repeat(this, min, max),
    };

    /// <summary>Writes the nodes that match this and then go on.</summary>
    /// <param name="nodes">Where to.</param>
    /// <param name="next">The node to go on with.</param>
    /// <returns>The node to begin with.</returns>
    public abstract int Emit(ProgramBuilder nodes, int next);
}

/// <summary>One byte of a range.</summary>
internal sealed class ByteRange(byte first, byte last) : Expression
{
    public override bool IsNullable => false;
    public override bool IsPossible => true;
    public override int Emit(ProgramBuilder nodes, int next) => nodes.Byte(first, last, next);
}

/// <summary>These bytes.</summary>
internal sealed class Literal(byte[] bytes) : Expression
{
    public override bool IsNullable => bytes.Length == 0;
    public override bool IsPossible => true;

    public override int Emit(ProgramBuilder nodes, int next)
    {
        for (int i = bytes.Length - 1; i >= 0; i--)
            next = nodes.Byte(bytes[i], bytes[i], next);
        return next;
    }
}

/// <summary>One after the other.</summary>
internal sealed class Sequence(IReadOnlyList<Expression> parts) : Expression
{
    public override bool IsNullable => parts.All(part => part.IsNullable);
    public override bool IsPossible => parts.All(part => part.IsPossible);
    public override IEnumerable<Expression> Parts => parts;

    public override int Emit(ProgramBuilder nodes, int next)
    {
        if (!IsPossible) // or a text could begin that has no end
            return ProgramBuilder.Dead;
        for (int i = parts.Count - 1; i >= 0; i--)
            next = parts[i].Emit(nodes, next);
        return next;
    }
}

/// <summary>One of them.</summary>
internal sealed class Choice(IReadOnlyList<Expression> options) : Expression
{
    public override bool IsNullable => options.Any(option => option.IsNullable);
    public override bool IsPossible => options.Any(option => option.IsPossible);
    public override IEnumerable<Expression> Parts => options;

    public override int Emit(ProgramBuilder nodes, int next) =>
        options.Reverse().Aggregate(ProgramBuilder.Dead, (rest, option) => nodes.Split(option.Emit(nodes, next), rest));
}

/// <summary>The same several times. Counts are kept by the automaton, so that its size does not depend on them.</summary>
internal sealed class Repeat(Expression part, int min, int max) : Expression
{
    public override bool IsNullable => min == 0 || part.IsNullable;
    public override bool IsPossible => min == 0 || part.IsPossible;
    public override IEnumerable<Expression> Parts => [part];

    public override int Emit(ProgramBuilder nodes, int next)
    {
        if (!part.IsPossible)
            return min == 0 ? next : ProgramBuilder.Dead;
        if (max == 1)
            return min == 1 ? part.Emit(nodes, next) : nodes.Split(part.Emit(nodes, next), next);
        if (max == int.MaxValue && min <= 1)
        {
            int again = nodes.Reserve();
            int begin = part.Emit(nodes, again);
            nodes.FillSplit(again, begin, next);
            return min == 1 ? begin : again;
        }
        // A rule has one counter: a loop within another is a rule of its own.
        if (nodes.IsInLoop)
            return new Call(new Rule("repetition") { Body = this, IsNullable = IsNullable, IsPossible = true }).Emit(nodes, next);
        int loop = nodes.BeginLoop(part.IsNullable ? 0 : min, max);
        int end = nodes.Reserve();
        // Rounds take something, or they could not be counted: as a rule, of which the empty text is never taken.
        Expression round = part.IsNullable ? new Call(new Rule("round") { Body = part, IsPossible = true }) : part;
        int first = round.Emit(nodes, end);
        nodes.EndLoop();
        nodes.FillAgain(end, first, next, loop);
        int enter = nodes.Enter(first);
        return IsNullable ? nodes.Split(enter, next) : enter;
    }
}

/// <summary>What another rule matches.</summary>
internal sealed class Call(Rule rule) : Expression
{
    public Rule Rule => rule;
    public override bool IsNullable => rule.IsNullable;
    public override bool IsPossible => rule.IsPossible;

    public override int Emit(ProgramBuilder nodes, int next)
    {
        if (!IsPossible)
            return ProgramBuilder.Dead;
        int call = nodes.Call(rule, next); // its text, if it has any
        return rule.IsNullable ? nodes.Split(call, next) : call;
    }
}

/// <summary>
/// At least one of several parts, in their order, with something between each two: the members of an object, of which some are
/// optional.
/// </summary>
/// <param name="parts">The parts; none matches the empty text.</param>
/// <param name="required">Which of them must be there.</param>
/// <param name="between">What stands between two.</param>
internal sealed class Members(IReadOnlyList<Expression> parts, IReadOnlyList<bool> required, Expression between) : Expression
{
    public override bool IsNullable => false;
    public override bool IsPossible => parts.Any(part => part.IsPossible) && parts.Zip(required).All(part => !part.Second || part.First.IsPossible);
    public override IEnumerable<Expression> Parts => [.. parts, between];

    public override int Emit(ProgramBuilder nodes, int next)
    {
        if (!IsPossible)
            return ProgramBuilder.Dead;
        // Two tracks: nothing came yet, and something did.
        int none = ProgramBuilder.Dead, some = next;
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            if (!parts[i].IsPossible)
                continue;
            // A required part ends the first track: what follows it always follows something.
            int part = parts[i].Emit(nodes, some), follow = between.Emit(nodes, part);
            (none, some) = required[i] ? (part, follow) : (nodes.Split(part, none), nodes.Split(follow, some));
        }
        return none;
    }
}
