using System.Net;
using System.Text;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters for HTML and URLs.</summary>
internal static class HtmlFilters
{
    public static void AddTo(FunctionTable table)
    {
        table.Add("escape", (renderer, value, _) => value is Markup ? value : Escape(value, renderer.Budget));
        table.AddAlias("e", "escape");
        table.Add("forceescape", (renderer, value, _) => Escape(value, renderer.Budget));
        table.Add("safe", (renderer, value, _) => value is Markup ? value : new Markup(ValueWriter.Text(value, renderer.Budget)));
        table.Add("striptags", (renderer, value, _) => StripTags(ValueWriter.Text(value, renderer.Budget)));
        table.Add("urlencode", UrlEncode);
        table.Add("xmlattr", XmlAttributes, ("autospace", true));
    }

    private static Markup Escape(object? value, Budget budget) =>
        new(budget.Text(Markup.Escape(ValueWriter.Text(value, budget))));

    private static string StripTags(string text)
    {
        StringBuilder result = new(text.Length);
        int position = 0;
        while (position < text.Length)
        {
            int open = text.IndexOf('<', position);
            bool isComment = open >= 0 && string.CompareOrdinal(text, open, "<!--", 0, 4) == 0;
            int close = open < 0 ? -1 : isComment ? text.IndexOf("-->", open, StringComparison.Ordinal) : text.IndexOf('>', open);
            if (close < 0)
                break;
            result.Append(text, position, open - position);
            position = close + (isComment ? 3 : 1);
        }
        result.Append(text, position, text.Length - position);
        string spaced = string.Join(' ', result.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return WebUtility.HtmlDecode(spaced);
    }

    private static object? UrlEncode(Renderer renderer, object? value, object?[] arguments)
    {
        Budget budget = renderer.Budget;
        if (TemplateValue.TryText(value, out _) || !TemplateValue.IsIterable(value))
            return budget.Text(Quote(ValueWriter.Text(value, budget), inQuery: false));
        List<string> pairs = [];
        foreach (object? item in value is DictValue dict ? DictView.Pairs(dict) : TemplateValue.Iterate(value))
        {
            object?[] pair = TemplateValue.ToArray(item, budget);
            if (pair.Length != 2)
                throw new TemplateException("urlencode needs pairs");
            pairs.Add($"{Quote(ValueWriter.Text(pair[0], budget), true)}={Quote(ValueWriter.Text(pair[1], budget), true)}");
        }
        return budget.Text(string.Join('&', pairs));
    }

    private static string Quote(string text, bool inQuery)
    {
        StringBuilder result = new(text.Length);
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || (c == '/' && !inQuery))
                result.Append(c);
            else if (c == ' ' && inQuery)
                result.Append('+');
            else
                result.Append('%').Append(b.ToString("X2", null));
        }
        return result.ToString();
    }

    private static object? XmlAttributes(Renderer renderer, object? value, object?[] arguments)
    {
        if (value is not DictValue dict)
            throw new TemplateException($"xmlattr needs a mapping, not {TemplateValue.TypeName(value)}");
        List<string> attributes = [];
        foreach ((object? key, object? element) in dict.Items)
        {
            if (element is null or Undefined)
                continue;
            string name = Argument.Text(key);
            if (name.AsSpan().ContainsAny(" \t\n\r\f/>="))
                throw new TemplateException($"Invalid character in attribute name: '{name}'");
            attributes.Add($"{Markup.Escape(name)}=\"{Escape(element, renderer.Budget).Text}\"");
        }
        string text = string.Join(' ', attributes);
        return renderer.Budget.Text(text.Length > 0 && TemplateValue.IsTrue(arguments[0]) ? " " + text : text);
    }
}
