using System.Numerics;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>What a slice takes from a sequence: elements from a start, some apart.</summary>
internal readonly record struct SliceSpan(int Start, int Step, int Count)
{
    public int At(int i) => Start + (i * Step);
}

/// <summary><c>start:stop:step</c>, any of which may be None.</summary>
internal sealed class Slice(object? start, object? stop, object? step) : TemplateObject
{
    public override string TypeName => "slice";

    public override bool IsTrue => true;

    public override void WriteRepr(ValueWriter writer)
    {
        writer.Write("slice");
        writer.WriteRepr(new TupleValue([start, stop, step]));
    }

    /// <summary>The elements that it takes of a sequence; false if its parts are no integers.</summary>
    /// <exception cref="TemplateException">The step is 0.</exception>
    public bool TryIndices(int length, out SliceSpan span)
    {
        span = default;
        BigInteger by = 1;
        if (step is not null && !Number.TryInteger(step, out by))
            return false;
        if (by.IsZero)
            throw new TemplateException("slice step cannot be zero");
        // Going down, a slice begins at the last element and ends before the first.
        bool down = by.Sign < 0;
        int lowest = down ? -1 : 0, highest = down ? length - 1 : length;
        if (!TryEnd(start, down ? highest : lowest, out int first) || !TryEnd(stop, down ? lowest : highest, out int last))
            return false;
        int stride = (int)BigInteger.Clamp(by, -length - 1, length + 1);
        int count = down ? (first - last - stride - 1) / -stride : (last - first + stride - 1) / stride;
        span = new SliceSpan(first, stride, Math.Max(count, 0));
        return true;

        bool TryEnd(object? part, int none, out int end)
        {
            end = none;
            if (part is null)
                return true;
            bool isInteger = Number.TryInteger(part, out BigInteger value);
            end = (int)BigInteger.Clamp(value.Sign < 0 ? value + length : value, lowest, highest);
            return isInteger;
        }
    }

    /// <summary>An index, from the end if it is negative; false if it is no integer or not in the sequence.</summary>
    public static bool TryIndex(object? key, int length, out int index)
    {
        long position = key switch
        {
            long value => value,
            bool value => value ? 1 : 0,
            _ => long.MaxValue,
        };
        if (position < 0)
            position += length;
        index = (int)Math.Clamp(position, -1, int.MaxValue);
        return position >= 0 && position < length;
    }
}
