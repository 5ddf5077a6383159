using System.Text;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Syntax;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters for texts. Values of other types are filtered as their texts.</summary>
internal static class TextFilters
{
    public static void AddTo(FunctionTable table)
    {
        Add(table, "upper", (_, text, _) => LetterCase.Upper(text));
        Add(table, "lower", (_, text, _) => LetterCase.Lower(text));
        Add(table, "capitalize", (_, text, _) => LetterCase.Capitalize(text));
        Add(table, "title", (_, text, _) => Title(text));
        Add(table, "trim", (budget, text, a) => Strip.Both(text, a[0], budget), ("chars", null));
        Add(table, "replace", Replace, ("old", CallArguments.Required), ("new", CallArguments.Required), ("count", null));
        Add(table, "center", (budget, text, a) => Padding.Center(text, Argument.Integer(a[0]), " ", budget), ("width", 80L));
        table.Add("indent", Indent, ("width", 4L), ("first", false), ("blank", false));
        table.Add("truncate", Truncate, ("length", 255L), ("killwords", false), ("end", "..."), ("leeway", 5L));
        Add(table, "wordcount", (_, text, _) => WordCount(text));
        table.AddFree("format", Format);
    }

    private static void Add(
        FunctionTable table, string name, Func<Budget, string, object?[], object?> body, params (string, object?)[] parameters) =>
        table.Add(name, (renderer, value, arguments) =>
        {
            string text = ValueWriter.Text(value, renderer.Budget);
            renderer.Budget.ChargeText(text.Length);
            object? result = body(renderer.Budget, text, arguments);
            if (result is string made)
                renderer.Budget.ChargeText(made.Length);
            return value is Markup && result is string marked ? new Markup(marked) : result;
        }, parameters);

    private static string Title(string text)
    {
        StringBuilder result = new(text.Length);
        bool starts = true;
        for (int i = 0; i < text.Length;)
        {
            int length = CodePoints.LengthAt(text, i);
            string character = text.Substring(i, length);
            bool separates = Space.Is(text[i]) || text[i] is '-' or '(' or '{' or '[' or '<';
            result.Append(separates ? character : starts ? LetterCase.Upper(character) : LetterCase.Lower(character));
            starts = separates;
            i += length;
        }
        return result.ToString();
    }

    private static object? Replace(Budget budget, string text, object?[] arguments) => TextSearch.Replace(
        text, ValueWriter.Text(arguments[0], budget), ValueWriter.Text(arguments[1], budget),
        arguments[2] is null ? -1 : Argument.Integer(arguments[2]), budget);

    private static object? Indent(Renderer renderer, object? value, object?[] arguments)
    {
        Budget budget = renderer.Budget;
        string text = Argument.Text(value);
        string indent = TemplateValue.TryText(arguments[0], out string given)
            ? given
            : Padding.Right("", Argument.Integer(arguments[0]), " ", budget);
        List<string> lines = Lines.Split(text + "\n", keepEnds: false);
        bool indentsBlank = TemplateValue.IsTrue(arguments[2]);
        budget.ChargeText(text.Length + ((long)lines.Count * indent.Length));
        StringBuilder result = new();
        for (int i = 0; i < lines.Count; i++)
        {
            if (i > 0)
                result.Append('\n');
            if (i > 0 ? indentsBlank || lines[i].Length > 0 : TemplateValue.IsTrue(arguments[1]))
                result.Append(indent);
            result.Append(lines[i]);
        }
        return value is Markup ? new Markup(result.ToString()) : result.ToString();
    }

    private static object? Truncate(Renderer renderer, object? value, object?[] arguments)
    {
        int length = Argument.Integer(arguments[0]), leeway = Argument.Integer(arguments[3]);
        string end = Argument.Text(arguments[2]);
        int room = length - CodePoints.Count(end);
        if (room < 0)
            throw new TemplateException($"expected length >= {CodePoints.Count(end)}, got {length}");
        if (leeway < 0)
            throw new TemplateException($"expected leeway >= 0, got {leeway}");
        long count = TemplateValue.Length(value)
            ?? throw new TemplateException($"object of type '{TemplateValue.TypeName(value)}' has no len()");
        if (count <= (long)length + leeway)
            return value; // of whatever type
        string text = Argument.Text(value);
        renderer.Budget.ChargeText(text.Length);
        string start = text[..CodePoints.Offset(text, room)];
        int space = start.LastIndexOf(' ');
        string cut = (TemplateValue.IsTrue(arguments[1]) || space < 0 ? start : start[..space]) + end;
        return value is Markup ? new Markup(cut) : cut;
    }

    private static object WordCount(string text)
    {
        long count = 0;
        bool inWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isWord = Rune.IsLetterOrDigit(rune) || rune.Value == '_' || Rune.IsNumber(rune);
            if (isWord && !inWord)
                count++;
            inWord = isWord;
        }
        return count;
    }

    private static object? Format(Renderer renderer, object? value, CallArguments arguments)
    {
        if (arguments.Positional.Length > 0 && arguments.Named.Length > 0)
            throw new TemplateException("can't handle positional and keyword arguments at the same time");
        object operand = new TupleValue(arguments.Positional);
        if (arguments.Named.Length > 0)
        {
            DictValue named = new();
            foreach ((string name, object? argument) in arguments.Named)
                named.Set(name, argument);
            operand = named;
        }
        return PercentFormat.Apply(value, ValueWriter.Text(value, renderer.Budget), operand, renderer.Budget);
    }
}
