using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters that take elements of sequences, cut them or put them together.</summary>
internal static class SequenceFilters
{
    public static void AddTo(FunctionTable table)
    {
        table.Add("list", (renderer, value, _) => new ListValue(TemplateValue.ToArray(value, renderer.Budget)));
        table.Add("first", (_, value, _) => First(value));
        table.Add("last", Last);
        table.Add("join", Join, ("d", ""), ("attribute", null));
        table.Add("reverse", Reverse);
        table.Add("items", (renderer, value, _) => Items(value));
        table.Add("batch", Batch, ("linecount", CallArguments.Required), ("fill_with", null));
        table.Add("slice", Slices, ("slices", CallArguments.Required), ("fill_with", null));
    }

    private static object? First(object? value)
    {
        foreach (object? item in TemplateValue.Iterate(value))
            return item;
        return new Undefined("No first item, sequence was empty.");
    }

    private static object? Last(Renderer renderer, object? value, object?[] arguments)
    {
        if (value is Generator)
            throw new TemplateException($"'{TemplateValue.TypeName(value)}' object is not reversible");
        if (value is Undefined)
            return new Undefined("No last item, sequence was empty.");
        object?[] items = TemplateValue.ToArray(value, renderer.Budget);
        return items.Length > 0 ? items[^1] : new Undefined("No last item, sequence was empty.");
    }

    private static object? Join(Renderer renderer, object? value, object?[] arguments)
    {
        string separator = ValueWriter.Text(arguments[0], renderer.Budget);
        Func<object?, object?> part = ItemKey.Of(arguments[1], renderer.Budget);
        ValueWriter text = new(renderer.Budget);
        bool first = true;
        foreach (object? item in TemplateValue.Iterate(value))
        {
            if (!first)
                text.Write(separator);
            text.WriteText(part(item));
            first = false;
        }
        return text.ToString();
    }

    private static object? Reverse(Renderer renderer, object? value, object?[] arguments)
    {
        if (TemplateValue.TryText(value, out string text))
        {
            object?[] characters = [.. CodePoints.Split(text)];
            Array.Reverse(characters);
            string reversed = renderer.Budget.Text(string.Concat(characters));
            return value is Markup ? new Markup(reversed) : reversed;
        }
        if (value is not Undefined && !TemplateValue.IsIterable(value))
            throw new TemplateException("argument must be iterable");
        object?[] items = TemplateValue.ToArray(value, renderer.Budget);
        Array.Reverse(items);
        return value is Generator ? new ListValue(items) : new Generator(items, "list_reverseiterator");
    }

    private static object? Items(object? value) => value switch
    {
        Undefined => new Generator([]),
        DictValue dict => new Generator(DictView.Pairs(dict)),
        // Jinja2 complains when the pairs are asked for.
        _ => new Generator(Fail("Can only get item pairs from a mapping.")),
    };

    private static IEnumerable<object?> Fail(string reason)
    {
        if (reason.Length > 0)
            throw new TemplateException(reason);
        yield break;
    }

    private static object? Batch(Renderer renderer, object? value, object?[] arguments)
    {
        int size = Argument.Integer(arguments[0]);
        return new Generator(Groups());

        IEnumerable<object?> Groups()
        {
            List<object?> group = [];
            foreach (object? item in TemplateValue.Iterate(value))
            {
                renderer.Budget.Charge(1);
                if (group.Count == size)
                {
                    yield return new ListValue([.. group]);
                    group.Clear();
                }
                group.Add(item);
            }
            if (group.Count == 0)
                yield break;
            if (arguments[1] is not null && group.Count < size)
            {
                renderer.Budget.ChargeList(size);
                while (group.Count < size)
                    group.Add(arguments[1]);
            }
            yield return new ListValue([.. group]);
        }
    }

    private static object? Slices(Renderer renderer, object? value, object?[] arguments)
    {
        int count = Argument.Integer(arguments[0]);
        return new Generator(Parts());

        IEnumerable<object?> Parts()
        {
            object?[] items = TemplateValue.ToArray(value, renderer.Budget);
            if (count == 0)
                throw new TemplateException("integer division or modulo by zero");
            int each = (int)Math.Floor(items.Length / (double)count), longer = items.Length - (each * count);
            for (int i = 0, start = 0; i < count; i++)
            {
                int length = each + (i < longer ? 1 : 0);
                renderer.Budget.ChargeList(length);
                object?[] part = items[start..(start + length)];
                start += length;
                yield return new ListValue(arguments[1] is not null && i >= longer ? [.. part, arguments[1]] : part);
            }
        }
    }
}
