namespace Sluice.Grammars.Json;

/// <summary>Values of <c>format</c>, as patterns that match no more than what the format allows.</summary>
internal static class StringFormats
{
    // Years from 1000, which all readers take; the 29th of February in leap years alone.
    private const string Date = """
        (?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|
        (?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)
        """;

    private const string Time = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])";
    private const string Byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private const string Host = "(?:" + Label + ")(?:\\.(?:" + Label + ")){0,3}";

    public static IReadOnlyDictionary<string, string> All { get; } = new Dictionary<string, string>
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = Date + "T" + Time,
        ["duration"] = "P(?:[0-9]{1,9}W|[0-9]{1,9}D(?:T[0-9]{1,9}H)?|T[0-9]{1,9}(?:H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|M(?:[0-9]{1,9}S)?|S))",
        ["uuid"] = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
        ["ipv4"] = "(?:" + Byte + "\\.){3}" + Byte,
        ["ipv6"] = "(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}",
        ["hostname"] = Host,
        ["email"] = "[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,30})?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?\\.){1,3}[A-Za-z]{2,12}",
        ["uri"] = "https?://" + Host + "(?::[1-9][0-9]{0,3})?(?:/[A-Za-z0-9_.~-]*)*(?:\\?[A-Za-z0-9_.~=&-]*)?",
    }.ToDictionary(format => format.Key, format => format.Value.ReplaceLineEndings(""));
}
