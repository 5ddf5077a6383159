using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>A dictionary, in the order of insertion.</summary>
internal sealed class DictValue : TemplateObject
{
    private readonly OrderedDictionary<DictKey, object?> _items = [];

    public override string TypeName => "dict";

    public override long? Length => _items.Count;

    public override IEnumerable<object?>? Elements => _items.Keys.Select(key => key.Value);

    public IEnumerable<KeyValuePair<object?, object?>> Items =>
        _items.Select(item => KeyValuePair.Create(item.Key.Value, item.Value));

    /// <summary>Sets an element, while the dictionary is made.</summary>
    /// <exception cref="TemplateException">The key is of a type that cannot be one.</exception>
    public void Set(object? key, object? value, Budget budget) => _items[DictKey.Of(key, budget)] = value;

    /// <summary>Sets an element by name, while the data are converted.</summary>
    public void Set(string key, object? value) => _items[DictKey.Of(key)] = value;

    public bool Contains(object? key, Budget budget) => _items.ContainsKey(DictKey.Of(key, budget));

    public bool TryGet(object? key, Budget budget, out object? value) => _items.TryGetValue(DictKey.Of(key, budget), out value);

    public bool TryGetName(string key, out object? value) => _items.TryGetValue(DictKey.Of(key), out value);

    public override bool TryGetElement(object? key, Budget budget, out object? value)
    {
        value = null;
        return DictKey.TryOf(key, budget, out DictKey found) && _items.TryGetValue(found, out value);
    }

    public override void WriteRepr(ValueWriter writer)
    {
        writer.Write("{");
        string separator = "";
        foreach ((DictKey key, object? value) in _items)
        {
            writer.Write(separator);
            writer.WriteRepr(key.Value);
            writer.Write(": ");
            writer.WriteRepr(value);
            separator = ", ";
        }
        writer.Write("}");
    }
}
