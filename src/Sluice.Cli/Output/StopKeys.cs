namespace Sluice.Cli.Output;

/// <summary>Ctrl-C and Escape at a terminal while something is written: they end that, and not the program.</summary>
internal sealed class StopKeys : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50); // between looks, which nobody feels

    private readonly CancellationTokenSource _stop;
    private readonly Task _watching;

    /// <param name="cancellation">What ends the program.</param>
    public StopKeys(CancellationToken cancellation)
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (Console.IsInputRedirected)
        {
            _watching = Task.CompletedTask;
            return;
        }
        Console.TreatControlCAsInput = true;
        _watching = WatchAsync();
    }

    /// <summary>What ends with a key, or with the program.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>Whether it was a key.</summary>
    public bool ArePressed { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        if (!Console.IsInputRedirected)
            Console.TreatControlCAsInput = false;
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            while (Console.KeyAvailable)
            {
                if (Console.ReadKey(intercept: true) is not ({ Key: ConsoleKey.Escape } or { Key: ConsoleKey.C, Modifiers: ConsoleModifiers.Control }))
                    continue;
                ArePressed = true;
                await _stop.CancelAsync();
                return;
            }
            await Task.Delay(Pause, CancellationToken.None);
        }
    }
}
