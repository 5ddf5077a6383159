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
    private Runner(ModelFile file, Ops ops, Model model, KvCache cache, EngineOptions options) =>
        (File, Ops, Model, Cache, Options) = (file, ops, model, cache, options);

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

    /// <summary>What runs the model; its scratch scopes hold results of <see cref="Forward"/>.</summary>
    public Ops Ops { get; }

    /// <summary>What memory it takes. The work space is that of the largest step so far: the largest there is, after a warm-up.</summary>
    public MemoryPlan Memory => new(Model.WeightBytes, Model.MappedBytes, Cache.Plan, Ops.ScratchBytes);

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
        Ops? ops = null;
        try
        {
            long available = SystemMemory.Available();
            if (file.Length > available)
                throw new InvalidOperationException($"{path} has {file.Length:N0} bytes; only {available:N0} bytes of memory are free.");
            ops = new CpuOps(options.Threads);
            ops = options.Wrap?.Invoke(ops) ?? ops;
            Model model = Model.Load(file, ops, new ModelOptions(options.Context, options.Retention), progress);
            KvPlan plan = Plan(model, options);
            Runner runner = new(file, ops, model, new KvCache(plan, options.PrefixCache), options);
            if (options.WarmUp)
                runner.WarmUp();
            return runner;
        }
        catch
        {
            ops?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Runs a batch and gives the logits of the rows that want them [batch.Outputs.Length, vocabulary], in the caller's scratch
    /// scope.
    /// </summary>
    public Tensor Forward(Batch batch)
    {
        foreach (int token in batch.Tokens)
        {
            if ((uint)token >= (uint)Model.Config.Vocabulary)
                throw new ArgumentException($"Token {token} is not in the vocabulary of {Model.Config.Vocabulary}.", nameof(batch));
        }
        return Model.Forward(batch, Cache);
    }

    /// <summary>Frees the cache, the weights and the file.</summary>
    public void Dispose()
    {
        Cache.Dispose();
        Ops.Dispose();
        File.Dispose();
    }

    /// <summary>Runs a step of the largest size: as many tokens and as many logits as there can be.</summary>
    private void WarmUp()
    {
        using SequenceCache sequence = Cache.CreateSequence();
        int tokens = Math.Min(Options.StepTokens, Context), outputs = StepBudget.MostRunningIn(Options.StepTokens, Options.Running);
        if (!sequence.TryReserve(tokens))
            throw new InvalidOperationException("The cache cannot hold a single request, which its plan promised.");
        Batch batch = new();
        sequence.Begin(batch);
        for (int i = 0; i < tokens; i++)
            batch.Add(0, wantOutput: i >= tokens - outputs);
        using ScratchScope scope = Ops.Scratch();
        Forward(batch);
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
