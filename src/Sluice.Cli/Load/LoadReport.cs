using System.Text.Json.Serialization;

namespace Sluice.Cli.Load;

/// <summary>How a server held a load. Requests that failed count in their number alone.</summary>
/// <param name="Server">Its address.</param>
/// <param name="Model">The model, as the server calls it.</param>
/// <param name="Requests">Requests that were answered to their end.</param>
/// <param name="Failed">Requests that were not.</param>
/// <param name="Error">What went wrong with the first of these.</param>
/// <param name="Short">Answers with fewer tokens than were asked for.</param>
/// <param name="Seconds">From the first request's sending to the last token of all.</param>
/// <param name="InputTokens">Of all prompts.</param>
/// <param name="OutputTokens">Of all answers.</param>
/// <param name="RequestsPerSecond">Requests over the time.</param>
/// <param name="InputTokensPerSecond">Input tokens over the time.</param>
/// <param name="OutputTokensPerSecond">Output tokens over the time.</param>
/// <param name="TotalTokensPerSecond">Both over the time.</param>
/// <param name="Ttft">From a request's sending to its first token.</param>
/// <param name="Tpot">The mean time of a request's tokens after the first.</param>
/// <param name="Itl">Between two tokens of a request, of all of them.</param>
/// <param name="E2e">From a request's sending to its last token.</param>
/// <param name="Goodput">Of all requests, the share that kept the goals; null without goals.</param>
/// <param name="GoodRequestsPerSecond">Those requests over the time.</param>
internal sealed record LoadReport(
    string Server, string Model, int Requests, int Failed, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Error,
    int Short, double Seconds, long InputTokens, long OutputTokens, double RequestsPerSecond, double InputTokensPerSecond,
    double OutputTokensPerSecond, double TotalTokensPerSecond, Times Ttft, Times Tpot, Times Itl, Times E2e,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? Goodput,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? GoodRequestsPerSecond)
{
    public static LoadReport Of(string server, string model, IReadOnlyList<RequestRecord> records, Goals? goals)
    {
        RequestRecord[] done = [.. records.Where(record => record.Error is null)];
        double seconds = done.Length == 0 ? 0 : done.Max(record => record.Texts[^1]) - records.Min(record => record.Sent);
        long input = done.Sum(record => (long)record.InputTokens), output = done.Sum(record => (long)record.OutputTokens);
        int? good = goals is null ? null : records.Count(goals.AreKept);
        return new LoadReport(
            server, model, done.Length, records.Count - done.Length, records.FirstOrDefault(record => record.Error is not null)?.Error,
            done.Count(record => record.OutputTokens < record.Asked.Output), seconds, input, output,
            PerSecond(done.Length), PerSecond(input), PerSecond(output), PerSecond(input + output),
            Times.Of(done.Select(record => record.FirstToken)),
            Times.Of(done.Where(record => record.OutputTokens > 1).Select(record => record.PerOutputToken)),
            Times.Of(done.SelectMany(record => record.InterToken)),
            Times.Of(done.Select(record => record.EndToEnd)),
            good / (double)records.Count, good is null ? null : PerSecond(good.Value));

        double PerSecond(double count) => seconds > 0 ? count / seconds : 0;
    }
}

/// <summary>Times of many, in milliseconds.</summary>
internal sealed record Times(double Mean, double P50, double P90, double P99, double Max)
{
    public static Times Of(IEnumerable<double> seconds)
    {
        double[] sorted = [.. seconds.Order().Select(value => value * 1e3)];
        if (sorted.Length == 0)
            return new Times(0, 0, 0, 0, 0);
        return new Times(sorted.Average(), At(0.5), At(0.9), At(0.99), sorted[^1]);

        // Between two values, as far from each as the share is.
        double At(double share)
        {
            double place = share * (sorted.Length - 1);
            int below = (int)place;
            return below + 1 == sorted.Length ? sorted[below] : sorted[below] + ((place - below) * (sorted[below + 1] - sorted[below]));
        }
    }
}
