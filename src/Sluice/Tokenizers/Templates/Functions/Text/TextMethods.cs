using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>The methods of texts, as Python's <c>str</c> has them.</summary>
internal static class TextMethods
{
    private static readonly (string, object?)[] InPart = [("", CallArguments.Required), ("", null), ("", null)];

    private delegate object? Body(Budget budget, string text, object?[] arguments);

    public static FunctionTable Create()
    {
        FunctionTable table = new();
        AddCases(table);
        AddQuestions(table);
        AddPadding(table);
        AddSearches(table);
        AddSplits(table);
        table.AddFree("format", (renderer, value, arguments) => Made(value, TextFormat.Apply(
            Argument.Text(value), arguments, renderer.Budget)));
        Add(table, "format_map", (budget, text, a) => TextFormat.Apply(text, Named(a[0]), budget), ("", CallArguments.Required));
        Add(table, "join", Join, ("", CallArguments.Required));
        return table;
    }

    private static void AddCases(FunctionTable table)
    {
        Add(table, "upper", (_, text, _) => LetterCase.Upper(text));
        Add(table, "lower", (_, text, _) => LetterCase.Lower(text));
        Add(table, "casefold", (_, text, _) => LetterCase.Lower(text.Replace("ß", "ss")));
        Add(table, "title", (_, text, _) => LetterCase.Title(text));
        Add(table, "capitalize", (_, text, _) => LetterCase.Capitalize(text));
        Add(table, "swapcase", (_, text, _) => LetterCase.Swap(text));
    }

    private static void AddQuestions(FunctionTable table)
    {
        Add(table, "isupper", (_, text, _) => LetterCase.IsUpper(text));
        Add(table, "islower", (_, text, _) => LetterCase.IsLower(text));
        Add(table, "istitle", (_, text, _) => LetterCase.IsTitle(text));
        Add(table, "isalpha", (_, text, _) => TextKinds.All(text, TextKinds.IsLetter));
        Add(table, "isalnum", (_, text, _) => TextKinds.All(text, (s, i) => TextKinds.IsLetter(s, i) || TextKinds.IsNumeric(s, i)));
        Add(table, "isdigit", (_, text, _) => TextKinds.All(text, TextKinds.IsDigit));
        Add(table, "isdecimal", (_, text, _) => TextKinds.All(text, TextKinds.IsDecimal));
        Add(table, "isnumeric", (_, text, _) => TextKinds.All(text, TextKinds.IsNumeric));
        Add(table, "isspace", (_, text, _) => TextKinds.All(text, (s, i) => Syntax.Space.Is(s[i])));
        Add(table, "isprintable", (_, text, _) => text.Length == 0
            || TextKinds.All(text, (s, i) => ValueWriter.IsPrintable(CodePoints.At(s, i))));
        Add(table, "isascii", (_, text, _) => System.Text.Ascii.IsValid(text));
        Add(table, "isidentifier", (_, text, _) => TextKinds.IsIdentifier(text));
    }

    private static void AddPadding(FunctionTable table)
    {
        (string, object?)[] parameters = [("", CallArguments.Required), ("", " ")];
        Add(table, "center", (budget, text, a) => Padding.Center(text, Argument.Integer(a[0]), Fill(a[1]), budget), parameters);
        Add(table, "ljust", (budget, text, a) => Padding.Right(text, Argument.Integer(a[0]), Fill(a[1]), budget), parameters);
        Add(table, "rjust", (budget, text, a) => Padding.Left(text, Argument.Integer(a[0]), Fill(a[1]), budget), parameters);
        Add(table, "zfill", (budget, text, a) =>
        {
            int sign = text.Length > 0 && text[0] is '-' or '+' ? 1 : 0;
            return text[..sign] + Padding.Left(text[sign..], Argument.Integer(a[0]) - sign, "0", budget);
        }, ("", CallArguments.Required));
        Add(table, "expandtabs", (budget, text, a) => ExpandTabs(text, Argument.Integer(a[0]), budget), ("tabsize", 8L));
    }

    private static void AddSearches(FunctionTable table)
    {
        Add(table, "find", (budget, text, a) => Find(text, a, fromRight: false, budget), InPart);
        Add(table, "rfind", (budget, text, a) => Find(text, a, fromRight: true, budget), InPart);
        Add(table, "index", (budget, text, a) => Found(Find(text, a, fromRight: false, budget)), InPart);
        Add(table, "rindex", (budget, text, a) => Found(Find(text, a, fromRight: true, budget)), InPart);
        Add(table, "count", (budget, text, a) =>
            TextPart.Of(text, a[1], a[2]) is { } part ? TextSearch.Count(part.Text, Argument.Text(a[0]), budget) : 0L, InPart);
        Add(table, "startswith", (budget, text, a) =>
            Affix(text, a, static (part, affix) => part.StartsWith(affix, StringComparison.Ordinal), budget), InPart);
        Add(table, "endswith", (budget, text, a) =>
            Affix(text, a, static (part, affix) => part.EndsWith(affix, StringComparison.Ordinal), budget), InPart);
        Add(table, "replace", (budget, text, a) =>
            TextSearch.Replace(text, Argument.Text(a[0]), Argument.Text(a[1]), Argument.Integer(a[2]), budget),
            ("", CallArguments.Required), ("", CallArguments.Required), ("", -1L));
        Add(table, "removeprefix", (_, text, a) =>
            text.StartsWith(Argument.Text(a[0]), StringComparison.Ordinal) ? text[Argument.Text(a[0]).Length..] : text,
            ("", CallArguments.Required));
        Add(table, "removesuffix", (_, text, a) =>
            text.EndsWith(Argument.Text(a[0]), StringComparison.Ordinal) ? text[..^Argument.Text(a[0]).Length] : text,
            ("", CallArguments.Required));
    }

    private static void AddSplits(FunctionTable table)
    {
        (string, object?)[] parameters = [("sep", null), ("maxsplit", -1L)];
        Add(table, "split", (budget, text, a) => TextSearch.Split(text, a[0], Argument.Integer(a[1]), false, budget), parameters);
        Add(table, "rsplit", (budget, text, a) => TextSearch.Split(text, a[0], Argument.Integer(a[1]), true, budget), parameters);
        Add(table, "partition", (budget, text, a) => TextSearch.Partition(text, a[0], false, budget), ("", CallArguments.Required));
        Add(table, "rpartition", (budget, text, a) => TextSearch.Partition(text, a[0], true, budget), ("", CallArguments.Required));
        Add(table, "strip", (budget, text, a) => Strip.Both(text, a[0], budget), ("", null));
        Add(table, "lstrip", (budget, text, a) => Strip.Left(text, a[0], budget), ("", null));
        Add(table, "rstrip", (budget, text, a) => Strip.Right(text, a[0], budget), ("", null));
        Add(table, "splitlines", (budget, text, a) =>
        {
            object?[] lines = [.. Lines.Split(text, TemplateValue.IsTrue(a[0]))];
            budget.ChargeList(lines.Length);
            return new ListValue(lines);
        }, ("keepends", false));
    }

    private static void Add(FunctionTable table, string name, Body body, params (string, object?)[] parameters) =>
        table.Add(name, (renderer, value, arguments) =>
        {
            string text = Argument.Text(value);
            renderer.Budget.ChargeText(text.Length);
            object? result = body(renderer.Budget, text, arguments);
            if (result is string made)
                renderer.Budget.ChargeText(made.Length);
            return Made(value, result);
        }, parameters);

    /// <summary>What is made from marked text is marked.</summary>
    private static object? Made(object? from, object? result) => from is not Markup ? result : result switch
    {
        string text => new Markup(text),
        SequenceValue parts => parts.With([.. parts.Items.Select(part => Made(from, part))]),
        _ => result,
    };

    private static string Fill(object? fill)
    {
        string text = Argument.Text(fill);
        return CodePoints.Count(text) == 1
            ? text
            : throw new TemplateException("The fill character must be exactly one character long");
    }

    private static object Find(string text, object?[] arguments, bool fromRight, Budget budget)
    {
        string sought = Argument.Text(arguments[0]);
        budget.ChargeSearch(text.Length, sought.Length);
        if (TextPart.Of(text, arguments[1], arguments[2]) is not { } part)
            return -1L;
        int at = fromRight
            ? part.Text.LastIndexOf(sought, StringComparison.Ordinal)
            : part.Text.IndexOf(sought, StringComparison.Ordinal);
        return at < 0 ? -1L : (long)part.Start + CodePoints.Index(part.Text, at);
    }

    private static object Found(object index) => index is -1L ? throw new TemplateException("substring not found") : index;

    private static object Affix(string text, object?[] arguments, Func<string, string, bool> has, Budget budget)
    {
        object?[] affixes = arguments[0] is TupleValue several ? several.Items : [arguments[0]];
        TextPart? part = TextPart.Of(text, arguments[1], arguments[2]);
        foreach (object? affix in affixes)
        {
            string sought = Argument.Text(affix);
            budget.ChargeText(sought.Length);
            if (part is not null && has(part.Text, sought))
                return true;
        }
        return false;
    }

    private static object Join(Budget budget, string text, object?[] arguments)
    {
        ValueWriter result = new(budget);
        int index = 0;
        foreach (object? item in TemplateValue.Iterate(arguments[0]))
        {
            if (index > 0)
                result.Write(text);
            if (!TemplateValue.TryText(item, out string part))
                throw new TemplateException($"sequence item {index}: expected str instance, {TemplateValue.TypeName(item)} found");
            result.Write(part);
            index++;
        }
        return result.ToString();
    }

    private static CallArguments Named(object? mapping)
    {
        if (mapping is not DictValue dict)
            throw new TemplateException("format_map() needs a mapping");
        return new CallArguments(
            [], [.. dict.Items.Where(item => item.Key is string).Select(item => ((string)item.Key!, item.Value))]);
    }

    private static string ExpandTabs(string text, int size, Budget budget)
    {
        ValueWriter result = new(budget);
        int column = 0;
        foreach (object? item in CodePoints.Split(text))
        {
            string character = (string)item!;
            int width = size > 0 ? size - (column % size) : 0;
            result.Write(character == "\t" ? Padding.Repeat(" ", width, budget) : character);
            column = character is "\n" or "\r" ? 0 : column + (character == "\t" ? width : 1);
        }
        return result.ToString();
    }
}
