using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Json;

/// <summary>The kinds of JSON values, as far as they need no schema, and how arrays and objects are put together.</summary>
internal sealed class JsonValues
{
    // System.Text.Json and others read 64 levels.
    private const int MostLevels = 48;

    private static readonly Expression Digit = new ByteRange((byte)'0', (byte)'9');

    private readonly Expression _space;

    public JsonValues()
    {
        // White space as people and formatters write it. Without a bound some models would write nothing else.
        Rule space = new("space")
        {
            Body = Expression.Any(Expression.Text(" "), Expression.Then(
                Expression.Text("\n"), Expression.Any(Expression.Text(" ").Times(0, 40), Expression.Text("\t").Times(0, 10)))),
        };
        _space = new Call(space).Optional();
        String = new Call(new Rule("string") { Body = JsonText.Quoted(JsonText.AnyCharacter.Times(0, int.MaxValue)) });
        Integer = new Call(new Rule("integer") { Body = Expression.Then(Expression.Text("-").Optional(), Whole) });
        Number = new Call(new Rule("number")
        {
            Body = Expression.Then(
                Expression.Text("-").Optional(), Whole, Expression.Then(Expression.Text("."), Digit.Times(1, 16)).Optional(),
                Expression.Then(Expression.Any(Expression.Text("e"), Expression.Text("E")), Expression.Any(Expression.Text("-"), Expression.Text("+")).Optional(),
                    Digit.Times(1, 2)).Optional()),
        });
        // Each level is a rule of its own, so that no text nests deeper than readers can follow.
        Expression scalar = Expression.Any(String, Number, Boolean, Null);
        (Any, Object, Array) = (scalar, ObjectOf([], [], null), ArrayOf([], scalar, 0, 0));
        for (int level = 0; level < MostLevels; level++)
        {
            Expression value = Any;
            Object = Named("object", ObjectOf([], [], Member(String, value)));
            Array = Named("array", ArrayOf([], value, 0, int.MaxValue));
            Any = Expression.Any(scalar, Object, Array);
        }
    }

    /// <summary>A whole number without its sign: at most 18 digits, which fit in 64 bits.</summary>
    public static Expression Whole { get; } = Expression.Any(
        Expression.Text("0"), Expression.Then(new ByteRange((byte)'1', (byte)'9'), Digit.Times(0, 17)));

    public static Expression Boolean { get; } = Expression.Any(Expression.Text("true"), Expression.Text("false"));

    public static Expression Null { get; } = Expression.Text("null");

    public Expression Any { get; }

    public Expression Object { get; }

    public Expression Array { get; }

    public Expression String { get; }

    public Expression Integer { get; }

    public Expression Number { get; }

    private Expression Comma => Expression.Then(Expression.Text(","), _space);

    public Expression Member(Expression name, Expression value) => Expression.Then(name, Expression.Text(":"), _space, value);

    /// <summary>An object of members in their order.</summary>
    /// <param name="members">Names and values.</param>
    /// <param name="required">Which of them must be there.</param>
    /// <param name="more">What may follow them; null for nothing.</param>
    /// <param name="min">The least number of those that follow.</param>
    /// <param name="max">The most.</param>
    public Expression ObjectOf(IReadOnlyList<Expression> members, IReadOnlyList<bool> required, Expression? more, int min = 0, int max = int.MaxValue)
    {
        if (more is not null && max > 0)
        {
            Expression rest = Expression.Then(more, Expression.Then(Comma, more).Times(Math.Max(min - 1, 0), LessOne(max)));
            (members, required) = ([.. members, rest], [.. required, min > 0]);
        }
        Expression content = Expression.Then(new Members(members, required, Comma), _space);
        return Expression.Then(Expression.Text("{"), _space, required.Contains(true) ? content : content.Optional(), Expression.Text("}"));
    }

    /// <summary>An array: its first items, each as it says, then others.</summary>
    public Expression ArrayOf(IReadOnlyList<Expression> first, Expression item, int min, int max)
    {
        if (max < min)
            return Expression.Nothing;
        if (max == 0)
            return Expression.Then(Expression.Text("["), _space, Expression.Text("]"));
        // From the end: what may follow the first items, then each of them.
        int least = Math.Max(min - first.Count, 0), most = max == int.MaxValue ? max : Math.Max(max - first.Count, 0);
        Expression content = first.Count > 0 ? Expression.Then(Comma, item).Times(least, most)
            : Expression.Then(item, Expression.Then(Comma, item).Times(Math.Max(least - 1, 0), LessOne(most)));
        for (int i = Math.Min(first.Count, max) - 1; i >= 0; i--)
        {
            content = Expression.Then(i == 0 ? first[i] : Expression.Then(Comma, first[i]), content);
            if (i >= Math.Max(min, 1))
                content = content.Optional();
        }
        content = Expression.Then(content, _space);
        return Expression.Then(Expression.Text("["), _space, min == 0 ? content.Optional() : content, Expression.Text("]"));
    }

    private static int LessOne(int max) => max == int.MaxValue ? max : max - 1;

    private static Call Named(string name, Expression body) => new(new Rule(name) { Body = body });
}
