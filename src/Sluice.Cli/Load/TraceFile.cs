using System.Globalization;
using System.Text.Json;

namespace Sluice.Cli.Load;

/// <summary>
/// Requests that somebody recorded: CSV with a header, or a JSON object a line. The columns are <c>arrival</c> (seconds),
/// <c>input</c> and <c>output</c> (tokens), or those of the Azure LLM inference traces: <c>TIMESTAMP</c> (a date and time),
/// <c>ContextTokens</c>, <c>GeneratedTokens</c>. Others are left alone.
/// </summary>
internal static class TraceFile
{
    private static readonly string[][] Columns = [["arrival", "TIMESTAMP"], ["input", "ContextTokens"], ["output", "GeneratedTokens"]];

    /// <summary>Reads a trace; the first request comes at once.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">The most requests to read.</param>
    /// <exception cref="InvalidDataException">A line is not as it should be; the message names it.</exception>
    public static PlannedRequest[] Read(string path, int most)
    {
        List<PlannedRequest> requests = [];
        int[]? places = null;
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            bool isJson = line.TrimStart()[0] == '{';
            if (!isJson && places is null)
            {
                places = Find(line.Split(','), name => new InvalidDataException($"{path}: the header has no column {name}."));
                continue;
            }
            requests.Add(isJson ? ReadJson(line, Wrong) : ReadCsv(line.Split(','), places!, Wrong));
            if (requests.Count == most)
                break;

            InvalidDataException Wrong(string what) => new($"{path}, line {number}: {what}.");
        }
        if (requests.Count == 0)
            throw new InvalidDataException($"{path} has no requests.");
        double first = requests.Min(request => request.Arrival);
        return [.. requests.Select(request => request with { Arrival = request.Arrival - first }).OrderBy(request => request.Arrival)];
    }

    private static int[] Find(string[] names, Func<string, Exception> missing) => [.. Columns.Select(column =>
    {
        int place = Array.FindIndex(names, name => column.Contains(name.Trim(), StringComparer.OrdinalIgnoreCase));
        return place >= 0 ? place : throw missing(string.Join(" or ", column));
    })];

    private static PlannedRequest ReadCsv(string[] values, int[] places, Func<string, Exception> wrong) =>
        values.Length > places.Max() ? Make([.. places.Select(place => values[place].Trim())], wrong) : throw wrong("columns are missing");

    private static PlannedRequest ReadJson(string line, Func<string, Exception> wrong)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonProperty[] properties = [.. json.RootElement.EnumerateObject()];
            int[] places = Find([.. properties.Select(property => property.Name)], name => wrong($"there is no {name}"));
            return Make([.. places.Select(place => properties[place].Value.ToString())], wrong);
        }
        catch (JsonException)
        {
            throw wrong("it is not a JSON object");
        }
    }

    private static PlannedRequest Make(string[] values, Func<string, Exception> wrong)
    {
        double arrival = double.TryParse(values[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && double.IsFinite(seconds) ? seconds
            : DateTime.TryParse(values[0], CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime time)
                ? (time - DateTime.UnixEpoch).TotalSeconds
            : throw wrong($"'{values[0]}' is neither seconds nor a date and time");
        return new PlannedRequest(arrival, Tokens(values[1]), Tokens(values[2]));

        int Tokens(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0
            ? count : throw wrong($"'{text}' is not a number of tokens above 0");
    }
}
