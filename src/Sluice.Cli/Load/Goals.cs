using System.Globalization;

namespace Sluice.Cli.Load;

/// <summary>What a request must keep to be a good one: <c>ttft:500,itl:100</c>, in milliseconds.</summary>
internal sealed class Goals
{
    private static readonly Dictionary<string, Func<RequestRecord, double>> Times = new()
    {
        ["ttft"] = request => request.FirstToken,
        ["tpot"] = request => request.PerOutputToken,
        ["itl"] = request => request.InterToken.DefaultIfEmpty(0).Max(),
        ["e2e"] = request => request.EndToEnd,
    };

    private readonly List<(Func<RequestRecord, double> Time, double Seconds)> _goals = [];

    /// <exception cref="FormatException">They are no such thing.</exception>
    public static Goals Parse(string text)
    {
        Goals goals = new();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            string[] pair = part.Split(':');
            if (pair.Length != 2 || !Times.TryGetValue(pair[0], out Func<RequestRecord, double>? time)
                || !double.TryParse(pair[1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double milliseconds))
            {
                throw new FormatException($"times in milliseconds, as ttft:500,itl:100 (of {string.Join(", ", Times.Keys)})");
            }
            goals._goals.Add((time, milliseconds / 1e3));
        }
        return goals;
    }

    public bool AreKept(RequestRecord request) => request.Error is null && _goals.All(goal => goal.Time(request) <= goal.Seconds);
}
