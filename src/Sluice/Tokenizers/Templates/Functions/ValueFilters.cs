using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters for values of every type.</summary>
internal static class ValueFilters
{
    public static void AddTo(FunctionTable table)
    {
        table.Add("default", Default, ("default_value", ""), ("boolean", false));
        table.AddAlias("d", "default");
        table.Add("string", (renderer, value, _) => value is Markup ? value : ValueWriter.Text(value, renderer.Budget));
        table.Add("length", (_, value, _) => TemplateValue.Length(value)
            ?? throw new TemplateException($"object of type '{TemplateValue.TypeName(value)}' has no len()"));
        table.AddAlias("count", "length");
        table.Add("attr", Attribute, ("name", CallArguments.Required));
        table.Add("tojson", ToJson, ("ensure_ascii", false), ("indent", null), ("separators", null), ("sort_keys", false));
    }

    private static object? Default(Renderer renderer, object? value, object?[] arguments) =>
        value is Undefined || (TemplateValue.IsTrue(arguments[1]) && !TemplateValue.IsTrue(value)) ? arguments[0] : value;

    private static object? Attribute(Renderer renderer, object? value, object?[] arguments)
    {
        string name = ValueWriter.Text(arguments[0], renderer.Budget);
        if (value is Undefined undefined)
            throw undefined.Failure();
        return Access.TryAttribute(value, name, out object? found)
            ? found
            : new Undefined($"'{TemplateValue.Describe(value)}' has no attribute '{name}'");
    }

    // Hugging Face replaces Jinja2's tojson, which escapes for HTML, by json.dumps without escaping what is not ASCII.
    private static object? ToJson(Renderer renderer, object? value, object?[] arguments)
    {
        string? indent = arguments[1] switch
        {
            null => null,
            string text => text,
            object other => Spaces(Argument.Integer(other), renderer.Budget),
        };
        string item = indent is null ? ", " : ",", key = ": ";
        if (arguments[2] is not null)
        {
            object?[] separators = TemplateValue.ToArray(arguments[2], renderer.Budget);
            if (separators.Length != 2)
                throw new TemplateException("tojson() needs two separators");
            (item, key) = (Argument.Text(separators[0]), Argument.Text(separators[1]));
        }
        JsonStyle style = new(indent, item, key, TemplateValue.IsTrue(arguments[0]), TemplateValue.IsTrue(arguments[3]));
        return JsonText.Of(value, style, renderer.Budget);
    }

    private static string Spaces(int count, Budget budget)
    {
        budget.ChargeText(Math.Max(count, 0));
        return new string(' ', Math.Max(count, 0));
    }
}
