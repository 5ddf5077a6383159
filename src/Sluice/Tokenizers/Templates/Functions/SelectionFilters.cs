using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters that filter or test each element.</summary>
internal static class SelectionFilters
{
    public static void AddTo(FunctionTable table)
    {
        table.AddFree("map", Map);
        table.AddFree("select", (renderer, value, a) => Select(renderer, value, a, byAttribute: false, wanted: true));
        table.AddFree("reject", (renderer, value, a) => Select(renderer, value, a, byAttribute: false, wanted: false));
        table.AddFree("selectattr", (renderer, value, a) => Select(renderer, value, a, byAttribute: true, wanted: true));
        table.AddFree("rejectattr", (renderer, value, a) => Select(renderer, value, a, byAttribute: true, wanted: false));
    }

    private static object? Map(Renderer renderer, object? value, CallArguments arguments)
    {
        return new Generator(Mapped());

        IEnumerable<object?> Mapped()
        {
            // As for Jinja2, mistakes in the arguments show when there is something to map.
            if (!TemplateValue.IsTrue(value))
                yield break;
            Func<object?, object?> map = Mapping(renderer, arguments);
            foreach (object? item in TemplateValue.Iterate(value))
            {
                renderer.Budget.Charge(1);
                yield return map(item);
            }
        }
    }

    private static Func<object?, object?> Mapping(Renderer renderer, CallArguments arguments)
    {
        if (arguments.Positional.Length == 0 && arguments.TryTake("attribute", out object? attribute, out CallArguments rest))
        {
            _ = rest.TryTake("default", out object? fallback, out rest);
            if (rest.Named.Length > 0)
                throw new TemplateException($"Unexpected keyword argument '{rest.Named[0].Name}'");
            return ItemKey.Of(attribute, renderer.Budget, fallback);
        }
        if (arguments.Positional.Length == 0)
            throw new TemplateException("map requires a filter argument");
        string name = Argument.Text(arguments.Positional[0]);
        BuiltIn filter = Filters.Table.Find(name) ?? throw new TemplateException($"No filter named '{name}'.");
        CallArguments others = arguments.Skip(1);
        return item => filter.Call(renderer, item, others);
    }

    private static Generator Select(Renderer renderer, object? value, CallArguments arguments, bool byAttribute, bool wanted)
    {
        return new Generator(Selected());

        IEnumerable<object?> Selected()
        {
            if (!TemplateValue.IsTrue(value))
                yield break;
            Func<object?, bool> holds = Condition(renderer, arguments, byAttribute);
            foreach (object? item in TemplateValue.Iterate(value))
            {
                renderer.Budget.Charge(1);
                if (holds(item) == wanted)
                    yield return item;
            }
        }
    }

    private static Func<object?, bool> Condition(Renderer renderer, CallArguments arguments, bool byAttribute)
    {
        Func<object?, object?> key = ItemKey.Of(null, renderer.Budget);
        if (byAttribute)
        {
            if (arguments.Positional.Length == 0)
                throw new TemplateException("Missing parameter for attribute name");
            key = ItemKey.Of(arguments.Positional[0], renderer.Budget);
            arguments = arguments.Skip(1);
        }
        if (arguments.Positional.Length == 0)
            return item => TemplateValue.IsTrue(key(item));
        string name = Argument.Text(arguments.Positional[0]);
        BuiltIn test = Tests.Table.Find(name) ?? throw new TemplateException($"No test named '{name}'.");
        CallArguments others = arguments.Skip(1);
        return item => TemplateValue.IsTrue(test.Call(renderer, key(item), others));
    }
}
