using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Sluice.Server.Tests;

/// <summary>Everything that a server logs.</summary>
internal sealed class CollectedLog : ILoggerProvider
{
    private readonly ConcurrentQueue<Entry> _entries = [];

    public Entry[] Entries => [.. _entries];

    /// <summary>Asserts that soon there is one of a kind: what tells of a request is written after its answer.</summary>
    public async Task<Entry> SingleAsync(Predicate<Entry> isIt)
    {
        for (int i = 0; i < 600 && !Array.Exists(Entries, isIt); i++)
            await Task.Delay(50);
        return Assert.Single(Entries, isIt);
    }

    public void Use(WebApplicationBuilder builder) => builder.Logging.ClearProviders().AddProvider(this);

    public ILogger CreateLogger(string categoryName) => new Logger(_entries);

    public void Dispose()
    {
    }

    public sealed record Entry(LogLevel Level, string? Event, string Text, Dictionary<string, object?> Values);

    private sealed class Logger(ConcurrentQueue<Entry> entries) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            entries.Enqueue(new Entry(logLevel, eventId.Name, formatter(state, exception) + exception,
                state is IEnumerable<KeyValuePair<string, object?>> values ? values.GroupBy(v => v.Key).ToDictionary(v => v.Key, v => v.First().Value) : []));
    }
}
