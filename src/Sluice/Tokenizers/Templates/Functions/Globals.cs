using System.Collections.Frozen;
using System.Numerics;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>The functions that every template can call.</summary>
internal static class Globals
{
    private const int MaxRange = 100_000; // as Jinja2's sandbox

    private static readonly FrozenDictionary<string, Function> Functions = new Function[]
    {
        new("range", Range),
        new("dict", (renderer, arguments) => Dict(arguments, renderer.Budget)),
        new("namespace", Namespace),
        new("cycler", (_, arguments) => arguments.Positional.Length > 0
            ? new Cycler(arguments.Positional)
            : throw new TemplateException("at least one item has to be provided")),
        new("joiner", (_, arguments) => new Joiner(arguments.Bind("joiner", ("sep", ", "))[0])),
        new("raise_exception", (renderer, arguments) => throw new TemplateException(
            ValueWriter.Text(arguments.Bind("raise_exception", ("message", CallArguments.Required))[0], renderer.Budget))),
        new("strftime_now", Now),
    }.ToFrozenDictionary(function => function.CallName, StringComparer.Ordinal);

    public static bool TryGet(string name, out object? function)
    {
        bool found = Functions.TryGetValue(name, out Function? value);
        function = value;
        return found;
    }

    private static object? Range(Renderer renderer, CallArguments arguments)
    {
        object?[] parts = arguments.Positional;
        if (parts.Length is 0 or > 3 || arguments.Named.Length > 0)
            throw new TemplateException($"range expected 1 to 3 arguments, got {parts.Length}");
        long[] bounds = [.. parts.Select(Bound)];
        long start = bounds.Length > 1 ? bounds[0] : 0, stop = bounds[bounds.Length > 1 ? 1 : 0];
        long step = bounds.Length > 2 ? bounds[2] : 1;
        if (step == 0)
            throw new TemplateException("range() arg 3 must not be zero");
        Int128 span = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        Int128 stride = Int128.Abs(step);
        Int128 count = Int128.Max((span + stride - 1) / stride, 0);
        if (count > MaxRange)
            throw new TemplateException($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).");
        return new RangeValue(start, stop, step, (int)count);

        static long Bound(object? value) => Number.TryInteger(value, out BigInteger integer)
            ? integer >= long.MinValue && integer <= long.MaxValue
                ? (long)integer
                : throw new TemplateException("a bound of range() is beyond 64 bits")
            : Argument.Integer(value);
    }

    /// <summary>A dictionary of another or of pairs, and of named arguments.</summary>
    private static DictValue Dict(CallArguments arguments, Budget budget)
    {
        if (arguments.Positional.Length > 1)
            throw new TemplateException($"dict expected at most 1 argument, got {arguments.Positional.Length}");
        DictValue dict = new();
        object? source = arguments.Positional.Length > 0 ? arguments.Positional[0] : null;
        if (source is Undefined undefined)
            throw undefined.Failure();
        if (arguments.Positional.Length > 0)
        {
            foreach (object? item in source is DictValue other ? DictView.Pairs(other) : TemplateValue.Iterate(source))
            {
                object?[] pair = TemplateValue.ToArray(item, budget);
                if (pair.Length != 2)
                    throw new TemplateException($"dictionary update sequence element has length {pair.Length}; 2 is required");
                dict.Set(pair[0], pair[1], budget);
            }
        }
        foreach ((string name, object? value) in arguments.Named)
            dict.Set(name, value);
        return dict;
    }

    private static object? Namespace(Renderer renderer, CallArguments arguments)
    {
        NamespaceValue space = new();
        foreach ((object? key, object? value) in Dict(arguments, renderer.Budget).Items)
        {
            if (key is string name)
                space.Set(name, value);
        }
        return space;
    }

    private static object? Now(Renderer renderer, CallArguments arguments)
    {
        string format = Argument.Text(arguments.Bind("strftime_now", ("format", CallArguments.Required))[0]);
        return renderer.Budget.Text(TimeFormat.Apply(format, renderer.Options.Clock.GetLocalNow()));
    }
}
