namespace Sluice.Tokenizers.Templates.Values;

/// <summary>What <c>namespace</c> gives: attributes that inner scopes can set.</summary>
internal sealed class NamespaceValue : TemplateObject
{
    private readonly DictValue _values = new();

    public override string TypeName => "Namespace";

    public override bool IsTrue => true;

    public void Set(string name, object? value) => _values.Set(name, value);

    public override bool TryGetAttribute(string name, out object? value) => _values.TryGetName(name, out value);

    public override void WriteRepr(ValueWriter writer)
    {
        writer.Write("<Namespace ");
        writer.WriteRepr(_values);
        writer.Write(">");
    }
}
