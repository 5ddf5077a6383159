using System.Globalization;

namespace Sluice.Cli.Output;

/// <summary>How numbers are written for people.</summary>
internal static class Numbers
{
    /// <summary>A number of bytes in a unit that suits it: <c>1.5 GiB</c>.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return value.ToString(unit == 0 ? "0" : value < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    /// <summary>A count in a unit that suits it: <c>1.24 B</c>.</summary>
    public static string Count(long count) => count switch
    {
        >= 1_000_000_000 => (count / 1e9).ToString("0.00", CultureInfo.InvariantCulture) + " B",
        >= 1_000_000 => (count / 1e6).ToString("0.00", CultureInfo.InvariantCulture) + " M",
        >= 1_000 => (count / 1e3).ToString("0.0", CultureInfo.InvariantCulture) + " K",
        _ => count.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>A figure with as many decimals as it deserves.</summary>
    public static string Figure(double value) =>
        value.ToString(Math.Abs(value) >= 1000 ? "0" : Math.Abs(value) >= 100 ? "0.0" : "0.00", CultureInfo.InvariantCulture);
}
