using System.Text;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// Text that the filters <c>safe</c> and <c>escape</c> marked as HTML. What is added to it is escaped, in prompts too.
/// </summary>
internal sealed record Markup(string Text)
{
    /// <summary>The characters that mean something in HTML, as character references.</summary>
    public static string Escape(string text)
    {
        StringBuilder result = new(text.Length);
        foreach (char c in text)
        {
            _ = c switch
            {
                '&' => result.Append("&amp;"),
                '<' => result.Append("&lt;"),
                '>' => result.Append("&gt;"),
                '"' => result.Append("&#34;"),
                '\'' => result.Append("&#39;"),
                _ => result.Append(c),
            };
        }
        return result.ToString();
    }
}
