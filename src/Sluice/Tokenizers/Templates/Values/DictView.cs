using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>What <c>keys</c>, <c>values</c> and <c>items</c> of a dictionary give.</summary>
internal sealed class DictView(string kind, DictValue dict) : TemplateObject
{
    public override string TypeName => "dict_" + kind;

    public override long? Length => dict.Length;

    public override IEnumerable<object?>? Elements => kind switch
    {
        "keys" => dict.Elements,
        "values" => dict.Items.Select(item => item.Value),
        _ => Pairs(dict),
    };

    public static IEnumerable<object?> Pairs(DictValue dict) => dict.Items.Select(item => new TupleValue([item.Key, item.Value]));

    public bool TryContains(object? value, Budget budget, out bool contains)
    {
        contains = kind == "keys" && dict.Contains(value, budget);
        return kind == "keys";
    }

    public override void WriteRepr(ValueWriter writer)
    {
        writer.Write(TypeName + "(");
        writer.WriteRepr(new ListValue([.. Elements!]));
        writer.Write(")");
    }
}
