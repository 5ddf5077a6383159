using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>The methods of texts, lists, tuples, dictionaries and numbers. Those that would change a value are refused.</summary>
internal static class Methods
{
    private static readonly FunctionTable Texts = TextMethods.Create();
    private static readonly FunctionTable Sequences = CreateSequences();
    private static readonly FunctionTable Dicts = CreateDicts();
    private static readonly FunctionTable Integers = CreateIntegers();
    private static readonly FunctionTable Floats = CreateFloats();

    public static bool TryFind(object? value, string name, [NotNullWhen(true)] out BuiltIn? method)
    {
        method = value switch
        {
            string or Markup => Texts,
            SequenceValue or RangeValue when name != "copy" || value is ListValue => Sequences,
            DictValue => Dicts,
            bool or long or BigInteger => Integers,
            double => Floats,
            _ => null,
        } is { } table ? table.Find(name) : null;
        return method is not null;
    }

    /// <summary>Whether a method of this name would change the value.</summary>
    public static bool Mutates(object? value, string name) => value switch
    {
        ListValue => name is "append" or "clear" or "extend" or "insert" or "pop" or "remove" or "reverse" or "sort",
        DictValue => name is "clear" or "pop" or "popitem" or "setdefault" or "update",
        _ => false,
    };

    private static FunctionTable CreateSequences()
    {
        FunctionTable table = new();
        table.Add("index", (renderer, value, arguments) =>
        {
            object?[] items = TemplateValue.ToArray(value, renderer.Budget);
            int index = Array.FindIndex(items, item => Equality.AreEqual(item, arguments[0], renderer.Budget));
            return index >= 0
                ? (long)index
                : throw new TemplateException($"{ValueWriter.Repr(arguments[0], renderer.Budget)} is not in list");
        }, ("", CallArguments.Required));
        table.Add("count", (renderer, value, arguments) =>
            TemplateValue.ToArray(value, renderer.Budget).LongCount(item => Equality.AreEqual(item, arguments[0], renderer.Budget)),
            ("", CallArguments.Required));
        table.Add("copy", (_, value, _) => value);
        return table;
    }

    private static FunctionTable CreateDicts()
    {
        FunctionTable table = new();
        table.Add("get", (renderer, value, arguments) =>
            ((DictValue)value!).TryGet(arguments[0], renderer.Budget, out object? found) ? found : arguments[1],
            ("", CallArguments.Required), ("", null));
        table.Add("keys", (_, value, _) => new DictView("keys", (DictValue)value!));
        table.Add("values", (_, value, _) => new DictView("values", (DictValue)value!));
        table.Add("items", (_, value, _) => new DictView("items", (DictValue)value!));
        table.Add("copy", (_, value, _) => value);
        return table;
    }

    private static FunctionTable CreateIntegers()
    {
        FunctionTable table = new();
        table.Add("bit_length", (_, value, _) =>
            Number.TryInteger(value, out BigInteger integer) ? BigInteger.Abs(integer).GetBitLength() : 0L);
        return table;
    }

    private static FunctionTable CreateFloats()
    {
        FunctionTable table = new();
        table.Add("is_integer", (_, value, _) => Number.TryWhole((double)value!, out BigInteger _));
        return table;
    }
}
