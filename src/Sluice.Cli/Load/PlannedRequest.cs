namespace Sluice.Cli.Load;

/// <summary>A request to come.</summary>
/// <param name="Arrival">Seconds after the run begins; clients of a closed loop take no notice of it.</param>
/// <param name="Input">Tokens of the prompt.</param>
/// <param name="Output">Tokens of the answer.</param>
internal readonly record struct PlannedRequest(double Arrival, int Input, int Output)
{
    /// <summary>Requests of random lengths.</summary>
    public static PlannedRequest[] Make(int count, Lengths input, Lengths output, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => new PlannedRequest(0, input.Next(random), output.Next(random)))];
    }

    /// <summary>The same requests, arriving as a Poisson process does: the times between them are exponentially distributed.</summary>
    /// <param name="requests">Requests.</param>
    /// <param name="rate">Requests a second; infinity for all at once.</param>
    /// <param name="seed">Where random numbers start.</param>
    public static PlannedRequest[] Poisson(IEnumerable<PlannedRequest> requests, double rate, int seed)
    {
        Random random = new(seed);
        double time = 0;
        return [.. requests.Select(request => request with { Arrival = time += -Math.Log(1 - random.NextDouble()) / rate })];
    }
}
