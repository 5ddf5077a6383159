using Sluice.Cache;
using Sluice.Files;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.KvFormats;
using Sluice.Tensors.Memory;

namespace Sluice;

/// <summary>
/// A loaded model with its cache: what runs batches. The engine drives one; evaluation (perplexity, raw logits) uses one
/// directly. One thread uses it at a time.
/// </summary>
public sealed class Runner : IDisposable
{
    private readonly (Ops Ops, Model Model)? _second;
    private readonly HashSet<Adapter> _adapters = []; // locked, as they are loaded while steps run

    private Runner(ModelFile file, Ops ops, Model model, (Ops, Model)? second, KvCache cache, EngineOptions options) =>
        (File, Ops, Model, _second, Cache, Options) = (file, ops, model, second, cache, options);

    /// <summary>The model's file.</summary>
    public ModelFile File { get; }

    /// <summary>The model.</summary>
    public Model Model { get; }

    /// <summary>The cache of all sequences.</summary>
    public KvCache Cache { get; }

    /// <summary>How it runs.</summary>
    public EngineOptions Options { get; }

    /// <summary>The longest sequence.</summary>
    public int Context => Cache.Plan.Context;

    /// <summary>What runs the model; its scratch scopes hold results of <see cref="Forward(Batch)"/>.</summary>
    public Ops Ops { get; }

    /// <summary>What memory it takes. The work space is that of the largest step so far: the largest there is, after a warm-up.</summary>
    public MemoryPlan Memory => new(
        Model.WeightBytes, Model.MappedBytes, Cache.Plan, Ops.ScratchBytes + (_second?.Ops.ScratchBytes ?? 0), AdapterBytes);

    /// <summary>Loads a model and allocates its cache.</summary>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="options">How to run it; default options if null.</param>
    /// <param name="progress">Told the loaded share, 0 to 1.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">The file needs something that Sluice does not have.</exception>
    /// <exception cref="InvalidOperationException">Weights or the asked-for cache do not fit in memory.</exception>
    public static Runner Load(string path, EngineOptions? options = null, IProgress<float>? progress = null)
    {
        options ??= new EngineOptions();
        options.Validate();
        ModelFile file = ModelFile.Open(path);
        Ops? ops = null, secondOps = null;
        try
        {
            long available = SystemMemory.Available();
            if (file.Length > available)
                throw new InvalidOperationException($"{path} has {file.Length:N0} bytes; only {available:N0} bytes of memory are free.");
            CpuOps cpu = new(options.Threads, options.PinThreads) { Activations = options.Activations };
            ops = options.Wrap?.Invoke(cpu) ?? cpu;
            ModelOptions modelOptions = new(options.Context, options.Retention) { Sparsity = options.ActivationSparsity, Thresholds = options.Thresholds };
            Model model = Model.Load(file, ops, modelOptions, progress);
            (Ops, Model)? second = null;
            if (options.Disaggregate)
            {
                CpuOps secondCpu = new(options.PrefillThreads, cpu);
                secondOps = options.Wrap?.Invoke(secondCpu) ?? secondCpu;
                second = (secondOps, Model.Load(file, secondOps, modelOptions));
            }
            KvPlan plan = Plan(model, options);
            Runner runner = new(file, ops, model, second, new KvCache(plan, options.PrefixCache, options.KvDisk), options);
            if (options.WarmUp)
            {
                foreach (Worker worker in runner.Workers())
                    runner.WarmUp(worker);
            }
            return runner;
        }
        catch
        {
            secondOps?.Dispose();
            ops?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Runs a batch and gives the logits of the rows that want them [batch.Outputs.Length, vocabulary], in the caller's scratch
    /// scope.
    /// </summary>
    public Tensor Forward(Batch batch) => Forward(batch, Model);

    /// <summary>Loads a low-rank adapter (LoRA), for sequences that are made with it (<see cref="KvCache.CreateSequence"/>).</summary>
    /// <inheritdoc cref="Engine.LoadAdapter"/>
    public Adapter LoadAdapter(string name, string path, float scale = 1)
    {
        Adapter adapter = Model.LoadAdapter(path, name, scale);
        lock (_adapters)
            _adapters.Add(adapter);
        return adapter;
    }

    /// <summary>Frees an adapter of which there are no sequences any more.</summary>
    internal void UnloadAdapter(Adapter adapter)
    {
        lock (_adapters)
            _adapters.Remove(adapter);
        Cache.Forget(adapter);
        adapter.Dispose();
    }

    /// <summary>What an engine's threads run: one that does all, or one that decodes and one that reads prompts.</summary>
    internal Worker[] Workers() => _second is { } second
        ? [new Worker(this, Ops, Model, StepRole.Decode), new Worker(this, second.Ops, second.Model, StepRole.Prompts)]
        : [new Worker(this, Ops, Model, StepRole.All)];

    internal Tensor Forward(Batch batch, Model model) => Forward(batch, model, out _);

    internal Tensor Forward(Batch batch, Model model, out Tensor hidden)
    {
        foreach (int token in batch.Tokens)
        {
            if ((uint)token >= (uint)Model.Config.Vocabulary)
                throw new ArgumentException($"Token {token} is not in the vocabulary of {Model.Config.Vocabulary}.", nameof(batch));
        }
        return model.Forward(batch, Cache, out hidden);
    }

    /// <summary>Frees the cache, the weights and the file.</summary>
    public void Dispose()
    {
        Cache.Dispose();
        lock (_adapters) // one may be loading, which then finds the engine gone
        {
            foreach (Adapter adapter in _adapters)
                adapter.Dispose();
        }
        _second?.Ops.Dispose();
        Ops.Dispose();
        File.Dispose();
    }

    private long AdapterBytes
    {
        get
        {
            lock (_adapters)
                return _adapters.Sum(adapter => adapter.Bytes);
        }
    }

    /// <summary>Runs a step of the largest size: as many tokens and as many logits as there can be.</summary>
    private void WarmUp(Worker worker)
    {
        using SequenceCache sequence = Cache.CreateSequence();
        int tokens = Math.Min(Options.StepTokens, Context), outputs = StepBudget.MostRunningIn(Options.StepTokens, Options.Running);
        if (!sequence.TryReserve(tokens))
            throw new InvalidOperationException("The cache cannot hold a single request, which its plan promised.");
        sequence.Begin(worker.Batch);
        for (int i = 0; i < tokens; i++)
            worker.Batch.Add(0, wantOutput: i >= tokens - outputs, wantHidden: true);
        using ScratchScope scope = worker.Scratch();
        worker.Run();
    }

    private static KvPlan Plan(Model model, EngineOptions options)
    {
        KvFormat format = KvFormats.Get(options.KvFormat);
        long memory = options.KvMemory > 0 ? options.KvMemory : SystemMemory.Available() / 2;
        int context = options.Context > 0
            ? options.Context
            : KvPlan.LargestContext(model.Layers, format, model.Config.ContextLength, options.StepTokens, memory);
        return KvPlan.Create(model.Layers, format, context, options.Sequences, options.StepTokens, memory);
    }
}
