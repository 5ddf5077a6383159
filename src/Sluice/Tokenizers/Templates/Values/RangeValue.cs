using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>What <c>range</c> gives.</summary>
internal sealed class RangeValue(long start, long stop, long step, int count) : TemplateObject
{
    public override string TypeName => "range";

    public override long? Length => count;

    private int Count => count;

    public override IEnumerable<object?>? Elements => Enumerable.Range(0, count).Select(i => (object?)At(i));

    /// <summary>Whether both have the same elements.</summary>
    public bool Equals(RangeValue other) => count == other.Count
        && (count == 0 || (At(0) == other.At(0) && At(count - 1) == other.At(count - 1)));

    public override bool TryGetElement(object? key, Budget budget, out object? value)
    {
        if (key is Slice slice && slice.TryIndices(count, out SliceSpan span))
        {
            long from = start + (step * span.Start), by = step * span.Step;
            value = new RangeValue(from, from + (by * span.Count), by, span.Count);
            return true;
        }
        if (!Slice.TryIndex(key, count, out int index))
            return base.TryGetElement(key, budget, out value);
        value = At(index);
        return true;
    }

    public override void WriteRepr(ValueWriter writer) =>
        writer.Write(step == 1 ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})");

    private long At(int i) => start + (step * i);
}
