using Sluice;
using Sluice.Scheduling.Benchmarks;

// What scheduling is worth, in one process and without a server:
//   dotnet run -c Release --project bench/Sluice.Scheduling.Benchmarks -- MODEL (prefix | mixed | batch) [THREADS]
// prefix: 32 requests that share 1,000 tokens, at once, with and without the prefix cache
// mixed:  8 requests that decode while long prompts come: in the same steps, without and with a target of 1.5 times an
//         undisturbed step; and apart, each with half of the threads
// batch:  tokens a second of 1 to 32 requests at once
string model = args[0], scenario = args[1];
int threads = args.Length > 2 ? int.Parse(args[2]) : 0;
EngineOptions options = new() { Threads = threads, Context = 2048, Sequences = 16, WarmUp = true };
switch (scenario)
{
    case "prefix":
        foreach (bool isOn in (bool[])[false, true])
        {
            using Engine engine = Engine.Load(model, options with { PrefixCache = isOn });
            Load load = new(engine, engine.Runner.Model.Config.Vocabulary);
            int[] system = load.Tokens(1000);
            for (int i = 0; i < 32; i++)
                _ = load.Submit([.. system, .. load.Tokens(16)], 8);
            await load.Report(isOn ? "prefix cache" : "no prefix cache");
        }
        break;
    case "mixed":
        TimeSpan? target = null;
        int half = Math.Max(1, (threads > 0 ? threads : Environment.ProcessorCount) / 2);
        foreach (string name in (string[])["same steps", "same steps, target", "apart"])
        {
            EngineOptions asked = name switch
            {
                "apart" => options with { Disaggregate = true, Threads = half, PrefillThreads = half },
                "same steps" => options,
                _ => options with { InterTokenTarget = target },
            };
            using Engine engine = Engine.Load(model, asked);
            // Undisturbed first, which also measures what steps cost.
            Load load = new(engine, engine.Runner.Model.Config.Vocabulary);
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => load.Submit(load.Tokens(8), 24)));
            TimeSpan calm = engine.Statistics.LastStepTime;
            target ??= calm * 1.5;
            load = new Load(engine, engine.Runner.Model.Config.Vocabulary);
            for (int i = 0; i < 8; i++)
                _ = load.Submit(load.Tokens(8), 100);
            for (int i = 0; i < 3; i++)
            {
                await Task.Delay(calm * 10);
                _ = load.Submit(load.Tokens(700), 1);
            }
            await load.Report(name == "same steps, target" ? $"{name} {target.Value.TotalMilliseconds:f0} ms" : name);
        }
        break;
    case "batch":
        using (Engine engine = Engine.Load(model, options))
        {
            for (int count = 1; count <= 32; count *= 2)
            {
                Load load = new(engine, engine.Runner.Model.Config.Vocabulary);
                for (int i = 0; i < count; i++)
                    _ = load.Submit(load.Tokens(8), 48);
                await load.Report($"{count} at once");
            }
        }
        break;
    default:
        throw new ArgumentException($"There is no scenario '{scenario}'.");
}
