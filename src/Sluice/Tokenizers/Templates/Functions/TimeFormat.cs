using System.Globalization;
using System.Text;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Dates and times as C's <c>strftime</c> writes them in English.</summary>
internal static class TimeFormat
{
    public static string Apply(string format, DateTimeOffset time)
    {
        StringBuilder result = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }
            // glibc: - leaves padding out, _ pads with spaces.
            char padding = format[++i] is '-' or '_' or '0' && i + 1 < format.Length ? format[i++] : '\0';
            result.Append(Field(format[i], padding, time));
        }
        return result.ToString();
    }

    private static string Field(char field, char padding, DateTimeOffset time)
    {
        return field switch
        {
            'Y' => time.Year.ToString(CultureInfo.InvariantCulture),
            'C' => Padded(time.Year / 100, 2),
            'y' => Padded(time.Year % 100, 2),
            'G' => ISOWeek.GetYear(time.DateTime).ToString(CultureInfo.InvariantCulture),
            'm' => Padded(time.Month, 2),
            'd' => Padded(time.Day, 2),
            'e' => Padded(time.Day, 2, ' '),
            'j' => Padded(time.DayOfYear, 3),
            'H' => Padded(time.Hour, 2),
            'k' => Padded(time.Hour, 2, ' '),
            'I' => Padded(((time.Hour + 11) % 12) + 1, 2),
            'l' => Padded(((time.Hour + 11) % 12) + 1, 2, ' '),
            'M' => Padded(time.Minute, 2),
            'S' => Padded(time.Second, 2),
            'f' => Padded((int)(time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond), 6),
            'U' => Padded((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2),
            'W' => Padded((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7, 2),
            'V' => Padded(ISOWeek.GetWeekOfYear(time.DateTime), 2),
            'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'u' => ((((int)time.DayOfWeek + 6) % 7) + 1).ToString(CultureInfo.InvariantCulture),
            's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'a' => Named("ddd"),
            'A' => Named("dddd"),
            'b' or 'h' => Named("MMM"),
            'B' => Named("MMMM"),
            'p' => Named("tt"),
            'P' => Named("tt").ToLowerInvariant(),
            'c' => Apply("%a %b %e %H:%M:%S %Y", time),
            'x' or 'D' => Apply("%m/%d/%y", time),
            'X' or 'T' => Apply("%H:%M:%S", time),
            'F' => Apply("%Y-%m-%d", time),
            'R' => Apply("%H:%M", time),
            'r' => Apply("%I:%M:%S %p", time),
            'z' or 'Z' => "", // Python's datetime.now() has no time zone
            'n' => "\n",
            't' => "\t",
            '%' => "%",
            _ => "%" + field,
        };

        string Named(string name) => time.ToString(name, CultureInfo.InvariantCulture);

        string Padded(int value, int width, char with = '0') => padding switch
        {
            '-' => value.ToString(CultureInfo.InvariantCulture),
            '_' => value.ToString(CultureInfo.InvariantCulture).PadLeft(width),
            '0' => value.ToString(CultureInfo.InvariantCulture).PadLeft(width, '0'),
            _ => value.ToString(CultureInfo.InvariantCulture).PadLeft(width, with),
        };
    }
}
