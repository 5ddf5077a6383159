namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>
/// The filters by name: all of Jinja2's but <c>random</c>, <c>pprint</c>, <c>urlize</c> and <c>wordwrap</c>, with Hugging
/// Face's <c>tojson</c>.
/// </summary>
internal static class Filters
{
    public static FunctionTable Table { get; } = Create();

    private static FunctionTable Create()
    {
        FunctionTable table = new();
        ValueFilters.AddTo(table);
        TextFilters.AddTo(table);
        HtmlFilters.AddTo(table);
        NumberFilters.AddTo(table);
        SequenceFilters.AddTo(table);
        SelectionFilters.AddTo(table);
        OrderFilters.AddTo(table);
        return table;
    }
}
