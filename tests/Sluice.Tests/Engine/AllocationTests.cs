using Sluice.Cache;
using Sluice.Sampling;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

public class AllocationTests
{
    /// <summary>A decoded token allocates no managed memory: not its forward pass, not its cache blocks, not its sampling.</summary>
    [Theory]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf", 0)]
    [InlineData("models/stories260K-w256-hd64-Q8_0.gguf", 0.8f)]
    [InlineData("models/stories260K-moe8x2-w256-hd64-f32.gguf", 0)]
    [InlineData("golden/models/mamba.gguf", 0)]
    [InlineData("golden/models/gpt-oss.gguf", 0)]
    [InlineData("golden/models/deepseek2-sigmoid.gguf", 0)]
    [InlineData("golden/models/gemma2.gguf", 0)]
    public void A_decoded_token_allocates_nothing(string model, float temperature) => Decode(model, temperature, wrap: null);

    [Theory]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf")]
    [InlineData("models/stories260K-moe8x2-w256-hd64-f32.gguf")]
    public void Nor_does_one_whose_small_activations_count_as_zero(string model) => Decode(model, 0, wrap: null, isSparse: true);

    [Theory]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf")]
    [InlineData("models/stories260K-moe8x2-w256-hd64-f32.gguf")]
    [InlineData("golden/models/mamba.gguf")]
    public void Nor_does_one_that_is_profiled(string model) => Decode(model, 0, ops => new ProfilingOps(ops));

    /// <summary>All threads wait for each other once for every linear map of a layer, and not for anything else.</summary>
    [Fact]
    public void A_decoded_token_has_few_barriers()
    {
        using Runner runner = Runner.Load(
            SharedFiles.Shared("models", "stories260K-w256-hd64-Q8_0.gguf"), new EngineOptions { Threads = 2, Context = 64, Sequences = 1 });
        using SequenceCache sequence = runner.Cache.CreateSequence();
        CpuOps ops = (CpuOps)runner.Ops;
        Batch batch = new();
        for (int i = 0; i < 3; i++)
        {
            long before = ops.SharedLoops;
            batch.Clear();
            Assert.True(sequence.TryReserve(1));
            sequence.Begin(batch);
            batch.Add(1, wantOutput: true);
            using ScratchScope scope = runner.Ops.Scratch();
            runner.Forward(batch);
            sequence.Commit(1);
            // Q, K and V; output; gate and up; down. And the logits.
            Assert.Equal(4 * runner.Model.Config.Layers + 1, ops.SharedLoops - before);
        }
    }

    /// <summary>
    /// A step of the whole engine (schedule, run, sample, deliver) allocates no more than the text it delivers; that, and a node
    /// of the tree of prefixes every 32 tokens.
    /// </summary>
    [Fact]
    public void A_step_of_the_engine_allocates_next_to_nothing()
    {
        EngineOptions options = SteppedEngine.Options with { Context = 512, Sequences = 8, StepTokens = 64 };
        using Sluice.Engine engine = Sluice.Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), options, null, isStepped: true);
        for (int i = 0; i < 6; i++)
            engine.Submit(new Request { Prompt = [1, 2, i], MaxTokens = 400, IgnoreEnd = true, Sampling = SamplingOptions.Greedy }, CancellationToken.None);
        for (int i = 0; i < 100; i++)
            engine.Step();
        Assert.Equal(6, engine.Statistics.Running);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 200; i++)
            engine.Step();
        long perToken = (GC.GetAllocatedBytesForCurrentThread() - allocated) / (200 * 6);
        Assert.InRange(perToken, 0, 150);
    }

    private static void Decode(string model, float temperature, Func<Ops, Ops>? wrap, bool isSparse = false)
    {
        string path = SharedFiles.Shared(model.Split('/'));
        EngineOptions options = new() { Threads = 1, Context = 256, Sequences = 1, Wrap = wrap };
        using Runner runner = Runner.Load(path, isSparse ? options with { Thresholds = ActivationSparsityEngineTests.Thresholds(path) } : options);
        Sampler sampler = new(new SamplingOptions { Temperature = temperature, Seed = 1, RepetitionPenalty = 1.1f }, runner.Model.Config.Vocabulary);
        using SequenceCache sequence = runner.Cache.CreateSequence();
        Batch batch = new();
        int token = 1;
        long allocated = 0;
        for (int i = 0; i < 200; i++)
        {
            if (i == 70) // tables and scratch have grown to what they need
                allocated = GC.GetAllocatedBytesForCurrentThread();
            batch.Clear();
            Assert.True(sequence.TryReserve(1));
            sequence.Begin(batch);
            batch.Add(token, wantOutput: true);
            using ScratchScope scope = runner.Ops.Scratch();
            Tensor logits = runner.Forward(batch);
            token = sampler.Sample(logits[0]).Id;
            sampler.Accept(token);
            sequence.Commit(1);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }
}
