using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Sluice.Cli.Arguments;

/// <summary>Options whose values are checked when they are read, with errors that say what would have been right.</summary>
internal static class Parsing
{
    /// <summary>Whether an option stands on the command line, and does not have its default.</summary>
    public static bool IsGiven(this ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>The same, while the command line is checked.</summary>
    public static bool IsGiven(this SymbolResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    public static Option<int> Integer(string name, string description, int min, int? fallback = null, params string[] aliases) =>
        Integer(name, description, min, int.MaxValue, fallback, aliases);

    public static Option<int> Integer(string name, string description, int min, int max, int? fallback, params string[] aliases) =>
        Make(name, aliases, description, "N", fallback ?? 0, fallback is not null, text =>
            int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max
                ? value
                : throw new FormatException(max == int.MaxValue ? $"a whole number from {min}" : $"a whole number from {min} to {max}"));

    public static Option<float> Number(string name, string description, float min, float max, float fallback) =>
        Make(name, [], description, "X", fallback, true, text =>
            float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && value >= min && value <= max
                ? value
                : throw new FormatException(float.IsFinite(max) && max < float.MaxValue
                    ? FormattableString.Invariant($"a number from {min} to {max}")
                    : min > float.MinValue ? FormattableString.Invariant($"a number from {min}") : "a number"));

    public static Option<ulong?> Seed(string name, string description) =>
        Make<ulong?>(name, [], description, "N", null, false, text =>
            ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)
                ? value
                : throw new FormatException("a whole number from 0"));

    /// <summary>A number of bytes: <c>2G</c>, <c>512M</c>, <c>1.5GiB</c>, <c>1073741824</c>.</summary>
    public static Option<long> Size(string name, string description) =>
        Make(name, [], description, "SIZE", 0L, false, text =>
            TryBytes(text, out long bytes) ? bytes : throw new FormatException("a size such as 512M or 2G"));

    /// <summary>Numbers separated by commas.</summary>
    public static Option<int[]> Integers(string name, string description, int min, int[]? fallback, params string[] aliases) =>
        Make(name, aliases, description, "N,N,...", fallback ?? [], fallback is not null, text =>
        {
            string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
            int[] values = new int[parts.Length];
            for (int i = 0; i < parts.Length; i++)
            {
                if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out values[i]) || values[i] < min)
                    throw new FormatException($"whole numbers from {min}, separated by commas");
            }
            return values;
        });

    /// <summary>One of some names, whatever their case.</summary>
    public static Option<string?> Choice(string name, string description, IEnumerable<string> choices, string? fallback = null)
    {
        string[] all = [.. choices];
        Option<string?> option = Make(name, [], description, "NAME", fallback, fallback is not null, text =>
            all.FirstOrDefault(choice => choice.Equals(text, StringComparison.OrdinalIgnoreCase))
            ?? throw new FormatException("one of " + string.Join(", ", all)));
        option.CompletionSources.Add(_ => all.Select(choice => new System.CommandLine.Completions.CompletionItem(choice)));
        return option;
    }

    public static Option<Uri?> Url(string name, string description) => Make<Uri?>(name, [], description, "URL", null, false, text =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is ("http" or "https") ? url : throw new FormatException("an address such as http://127.0.0.1:8080"));

    internal static bool TryBytes(string text, out long bytes)
    {
        bytes = 0;
        string unit = text.TrimStart("0123456789.".ToCharArray());
        int shift = unit.ToUpperInvariant() switch
        {
            "" or "B" => 0,
            "K" or "KB" or "KIB" => 10,
            "M" or "MB" or "MIB" => 20,
            "G" or "GB" or "GIB" => 30,
            "T" or "TB" or "TIB" => 40,
            _ => -1,
        };
        if (shift < 0 || !double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value))
            return false;
        value *= 1L << shift;
        if (value is < 1 or > 1L << 60)
            return false;
        bytes = (long)value;
        return true;
    }

    /// <summary>An option of any kind; <paramref name="parse"/> throws a <see cref="FormatException"/> that says what would have been right.</summary>
    public static Option<T> Make<T>(
        string name, string[] aliases, string description, string helpName, T fallback, bool showFallback, Func<string, T> parse)
    {
        Option<T> option = new(name, aliases)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result =>
            {
                string text = result.Tokens[^1].Value;
                try
                {
                    return parse(text);
                }
                catch (FormatException expected)
                {
                    result.AddError($"{name} takes {expected.Message}; '{text}' is not.");
                    return fallback;
                }
            },
        };
        if (showFallback)
            option.DefaultValueFactory = _ => fallback;
        return option;
    }
}
