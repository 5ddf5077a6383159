using System.Globalization;
using Sluice.Sampling;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

public class MemoryPlanTests(ITestOutputHelper output)
{
    private const string Alone = "SLUICE_TEST_MEMORY";

    /// <summary>With every block of the cache used and steps of all sizes run, the memory that is resident is what was planned.</summary>
    [Fact]
    public void Resident_memory_is_as_planned()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("reads /proc");
        _ = SharedFiles.Shared("models"); // or skips
        TestProcess.Run(["-method", $"{typeof(MemoryPlanTests).FullName}.{nameof(In_a_process_of_its_own)}"], [(Alone, "1")]);
    }

    [Fact]
    public async Task In_a_process_of_its_own()
    {
        if (Environment.GetEnvironmentVariable(Alone) is null)
            return; // other tests' memory is in the way
        EngineOptions options = new() { Threads = 2, Context = 512, KvFormat = "f32", KvMemory = 200_000_000, Sequences = 1000, WarmUp = true };
        // What the runtime takes for compiled code and its own heap is not the engine's: that comes with a first, small engine.
        await Use(SharedFiles.Shared("models", "stories260K-f32.gguf"), options with { KvMemory = 4_000_000 });
        (long Before, long After, MemoryPlan Plan) = await Use(SharedFiles.Shared("models", "stories260K-moe8x2-w256-hd64-f32.gguf"), options);
        string measured = $"{After - Before:N0} bytes more are resident; planned are {Plan.Total:N0}\n{Plan}";
        output.WriteLine(measured);
        Assert.True(Plan.Total > 200_000_000, measured);
        Assert.True(After - Before < 1.05 * Plan.Total && After - Before > 0.9 * Plan.Total, measured);
    }

    [Fact]
    public void The_plan_says_what_it_is_for()
    {
        using SteppedEngine engine = new("golden/models/gemma2.gguf", SteppedEngine.Options with { WarmUp = true });
        MemoryPlan plan = engine.Engine.Memory;
        Assert.Equal(plan.Total, plan.Weights + plan.WorkSpace + plan.Cache.Bytes);
        Assert.True(plan.Weights > 0 && plan.WorkSpace > 0 && plan.Mapped > 0);
        string text = plan.ToString();
        output.WriteLine(text);
        Assert.Contains("2 x 128 tokens", text, StringComparison.Ordinal);
        Assert.Contains("layers that keep a window of", text, StringComparison.Ordinal);
        Assert.Contains("blocks of 32 in f32", text, StringComparison.Ordinal);
        // Steps take no more than was measured at first.
        for (int i = 0; i < 5; i++)
            engine.Submit([.. Enumerable.Range(1, 100)], 20);
        engine.RunToEnd();
        Assert.Equal(plan.WorkSpace, engine.Engine.Memory.WorkSpace);
    }

    private static async Task<(long Before, long After, MemoryPlan Plan)> Use(string model, EngineOptions options)
    {
        long before = Resident();
        using Engine engine = Engine.Load(model, options);
        while (engine.Statistics.Evictions == 0)
        {
            List<Task> requests = [];
            for (int i = 0; i < 64; i++)
            {
                int[] prompt = [.. Enumerable.Range(0, 500).Select(_ => Random.Shared.Next(512))];
                requests.Add(Run(engine, new Request { Prompt = prompt, MaxTokens = 3, IgnoreEnd = true, Sampling = SamplingOptions.Greedy }));
            }
            await Task.WhenAll(requests);
        }
        return (before, Resident(), engine.Memory);
    }

    private static async Task Run(Engine engine, Request request)
    {
        await foreach (GeneratedToken _ in engine.Generate(request))
        {
        }
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        string line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;
    }
}
