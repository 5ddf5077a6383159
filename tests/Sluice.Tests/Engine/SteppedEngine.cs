using Sluice.Sampling;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

/// <summary>An engine without a thread of its own, so that a test sees every step; its books are checked after each.</summary>
internal sealed class SteppedEngine : IDisposable
{
    private readonly List<Open> _open = [];
    private readonly HashSet<Worker> _inFlight = [];
    private Random? _interleaving;

    public SteppedEngine(string model, EngineOptions options) =>
        Engine = Engine.Load(Path.IsPathRooted(model) ? model : SharedFiles.Shared(model.Split('/')), options with { CheckIntegrity = true }, null, isStepped: true);

    public Engine Engine { get; }

    /// <summary>Lets workers begin and end their steps in a random order, as threads would.</summary>
    public void InterleaveWorkers(int seed) => _interleaving = new Random(seed);

    public EngineStatistics Statistics => Engine.Statistics;

    public static EngineOptions Options => new() { Threads = 1, KvFormat = "f32", Context = 128, Sequences = 2, StepTokens = 16 };

    public Open Submit(Request request)
    {
        Open open = new(Engine, request);
        _open.Add(open);
        return open;
    }

    /// <summary>A greedy request.</summary>
    public Open Submit(IReadOnlyList<int> prompt, int tokens, int priority = 0) =>
        Submit(new Request { Prompt = prompt, MaxTokens = tokens, IgnoreEnd = true, Priority = priority, Sampling = SamplingOptions.Greedy });

    public void Step()
    {
        if (_interleaving is { } random)
            Interleave(random);
        else
            Engine.Step();
        foreach (Open open in _open)
            open.Drain();
    }

    /// <summary>Steps until nothing is left to do, and sees that all blocks came back.</summary>
    public void RunToEnd(int mostSteps = 20_000)
    {
        do
        {
            Assert.True(mostSteps-- > 0, $"not done: {Statistics}");
            Step();
        }
        while (Statistics.Running + Statistics.Waiting > 0 || _open.Any(open => !open.IsOver));
        Step();
        Assert.Equal(0, Engine.Runner.Cache.Sequences);
        Assert.All(Statistics.Groups, group => Assert.Equal((0, group.Total), (group.Used, group.Cached + group.Free)));
    }

    private void Interleave(Random random)
    {
        for (int i = 0; i < 4; i++)
        {
            Worker worker = Engine.Workers[random.Next(Engine.Workers.Count)];
            if (_inFlight.Remove(worker))
                Engine.Run(worker);
            else if (Engine.TrySchedule(worker))
                _inFlight.Add(worker);
        }
    }

    public void Dispose() => Engine.Dispose();

    /// <summary>A request under way.</summary>
    public sealed class Open
    {
        private readonly CancellationTokenSource _cancellation = new();
        private readonly Generation _sequence;

        public Open(Engine engine, Request request) => _sequence = engine.Submit(request, _cancellation.Token);

        public List<GeneratedToken> Tokens { get; } = [];

        public int[] Ids => [.. Tokens.Select(token => token.Id)];

        public bool IsOver => _sequence.IsFinished;

        public Completion Completion => Tokens[^1].Completion ?? throw new InvalidOperationException("It is not complete.");

        public void Cancel() => _cancellation.Cancel();

        public void Drain()
        {
            while (_sequence.Output.TryRead(out GeneratedToken token))
                Tokens.Add(token);
        }
    }
}
