namespace Sluice.Tokenizers.Templates.Values;

/// <summary>Elements that are computed when they are asked for, once: what <c>map</c>, <c>select</c> and others give.</summary>
internal sealed class Generator(IEnumerable<object?> elements, string typeName = "generator") : TemplateObject
{
    private readonly IEnumerator<object?> _elements = elements.GetEnumerator();

    public override string TypeName => typeName;

    public override bool IsTrue => true;

    public override IEnumerable<object?>? Elements
    {
        get
        {
            return Rest();

            IEnumerable<object?> Rest()
            {
                while (_elements.MoveNext())
                    yield return _elements.Current;
            }
        }
    }
}
