using System.Numerics;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Arguments as C# values.</summary>
internal static class Argument
{
    /// <summary>An integer; what is beyond 32 bits is as good as the largest.</summary>
    public static int Integer(object? value)
    {
        if (!Number.TryInteger(value, out BigInteger integer))
        {
            throw (value as Undefined)?.Failure()
                ?? new TemplateException($"'{TemplateValue.TypeName(value)}' object cannot be interpreted as an integer");
        }
        return (int)BigInteger.Clamp(integer, int.MinValue, int.MaxValue);
    }

    /// <summary>A text.</summary>
    public static string Text(object? value) => TemplateValue.TryText(value, out string text)
        ? text
        : throw (value as Undefined)?.Failure() ?? new TemplateException($"expected str, got {TemplateValue.TypeName(value)}");
}
