namespace Sluice.Cli.Load;

/// <summary>Sends planned requests: each when it is due (an open loop), or by so many clients one after the other (a closed loop).</summary>
internal static class LoadRun
{
    /// <param name="send">Sends the request of an index.</param>
    /// <param name="requests">The requests.</param>
    /// <param name="clients">The clients of a closed loop; null for an open loop.</param>
    /// <param name="progress">Told the share of requests that ended.</param>
    /// <param name="cancellation">Ends the run.</param>
    public static async Task<RequestRecord[]> RunAsync(
        Func<int, Task<RequestRecord>> send, IReadOnlyList<PlannedRequest> requests, int? clients, IProgress<float> progress, CancellationToken cancellation)
    {
        RequestRecord[] records = new RequestRecord[requests.Count];
        int next = -1, ended = 0;
        await (clients is { } count ? Task.WhenAll(Enumerable.Range(0, count).Select(_ => ClientAsync())) : OpenAsync()).ConfigureAwait(false);
        return records;

        async Task ClientAsync()
        {
            while (Interlocked.Increment(ref next) is int index && index < requests.Count)
                await OneAsync(index).ConfigureAwait(false);
        }

        async Task OpenAsync()
        {
            long start = TimeProvider.System.GetTimestamp();
            List<Task> open = [];
            for (int i = 0; i < requests.Count; i++)
            {
                TimeSpan wait = TimeSpan.FromSeconds(requests[i].Arrival) - TimeProvider.System.GetElapsedTime(start);
                if (wait > TimeSpan.Zero)
                    await Task.Delay(wait, cancellation).ConfigureAwait(false);
                open.Add(OneAsync(i));
            }
            await Task.WhenAll(open).ConfigureAwait(false);
        }

        async Task OneAsync(int index)
        {
            records[index] = await send(index).ConfigureAwait(false);
            progress.Report(Interlocked.Increment(ref ended) / (float)requests.Count);
        }
    }
}
