using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>A list or a tuple.</summary>
internal abstract class SequenceValue(object?[] items) : TemplateObject
{
    public object?[] Items { get; } = items;

    public override long? Length => Items.Length;

    public override IEnumerable<object?>? Elements => Items;

    /// <summary>A sequence of the same type.</summary>
    public abstract SequenceValue With(object?[] items);

    public override bool TryGetElement(object? key, Budget budget, out object? value)
    {
        if (key is Slice slice)
        {
            if (!slice.TryIndices(Items.Length, out SliceSpan span))
                return base.TryGetElement(key, budget, out value);
            budget.ChargeList(span.Count);
            object?[] part = new object?[span.Count];
            for (int i = 0; i < part.Length; i++)
                part[i] = Items[span.At(i)];
            value = With(part);
            return true;
        }
        if (!Slice.TryIndex(key, Items.Length, out int index))
            return base.TryGetElement(key, budget, out value);
        value = Items[index];
        return true;
    }

    protected void WriteItems(ValueWriter writer)
    {
        for (int i = 0; i < Items.Length; i++)
        {
            if (i > 0)
                writer.Write(", ");
            writer.WriteRepr(Items[i]);
        }
    }
}

internal sealed class ListValue(object?[] items) : SequenceValue(items)
{
    public override string TypeName => "list";

    public override SequenceValue With(object?[] items) => new ListValue(items);

    public override void WriteRepr(ValueWriter writer)
    {
        writer.Write("[");
        WriteItems(writer);
        writer.Write("]");
    }
}

internal class TupleValue(object?[] items) : SequenceValue(items)
{
    public override string TypeName => "tuple";

    public override SequenceValue With(object?[] items) => new TupleValue(items);

    public override void WriteRepr(ValueWriter writer)
    {
        writer.Write("(");
        WriteItems(writer);
        writer.Write(Items.Length == 1 ? ",)" : ")");
    }
}

/// <summary>What <c>groupby</c> gives for each group: the tuple of what its elements share and the list of them.</summary>
internal sealed class GroupValue(object? grouper, ListValue list) : TupleValue([grouper, list])
{
    public override bool TryGetAttribute(string name, out object? value)
    {
        value = name == "grouper" ? Items[0] : Items[1];
        return name is "grouper" or "list";
    }
}
