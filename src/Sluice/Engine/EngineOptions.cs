using Sluice.Cache;
using Sluice.Files;
using Sluice.Tensors;

namespace Sluice;

/// <summary>How an engine runs a model.</summary>
public sealed record EngineOptions
{
    /// <summary>The most threads that there may be: more than any machine has processors, and not so many that the system has none left.</summary>
    public const int MostThreads = 1024;

    /// <summary>Threads that compute; 0 for one a physical core.</summary>
    public int Threads { get; init; }

    /// <summary>Whether each of them stays on a processor of its own: for machines that do nothing else (Linux).</summary>
    public bool PinThreads { get; init; }

    /// <summary>The tokens that a sequence may have; 0 for what the model was trained for, or less where memory is short.</summary>
    public int Context { get; init; }

    /// <summary>The bytes that the KV cache may take; 0 for half of what is free once the weights are loaded.</summary>
    public long KvMemory { get; init; }

    /// <summary>
    /// The bytes of disk for cache blocks that memory has no room for any more, in the system's folder for temporary files; 0 for none.
    /// What was evicted is then read back rather than computed again, which is cheaper for models of a billion weights and more.
    /// </summary>
    public long KvDisk { get; init; }

    /// <summary>How KV rows are packed: a name of <see cref="Tensors.KvFormats.KvFormats"/>.</summary>
    public string KvFormat { get; init; } = "f16";

    /// <summary>How inputs of linear maps are rounded: what weights are multiplied by.</summary>
    public ActivationPrecision Activations { get; init; }

    /// <summary>
    /// The share of inputs of linear maps that shall count as zero, the small ones, so that decoding does not read the weights' columns that
    /// they meet; null for what the file's thresholds are meant for, which is none where it has no thresholds.
    /// </summary>
    public float? ActivationSparsity { get; init; }

    /// <summary>Thresholds in place of those that the file has.</summary>
    public ActivationThresholds? Thresholds { get; init; }

    /// <summary>How many sequences of full length the KV cache shall have room for, if memory allows.</summary>
    public int Sequences { get; init; } = 8;

    /// <summary>The most tokens of one step, of all requests together.</summary>
    public int StepTokens { get; init; } = 512;

    /// <summary>The most requests that run at once; fewer where a step is small, and where <see cref="InterTokenTarget"/> asks for it.</summary>
    public int Running { get; init; } = 64;

    /// <summary>
    /// Runs one step of the largest size when the model is loaded, so that the memory that steps take is known from then on
    /// (<see cref="MemoryPlan"/>), and the first request finds everything compiled. It takes as long as such a step.
    /// </summary>
    public bool WarmUp { get; init; }

    /// <summary>
    /// Runs prompts and decoding side by side rather than in the same steps, each with threads of its own: decoding then waits for no
    /// prompt, and cache blocks pass from one to the other by reference.
    /// </summary>
    public bool Disaggregate { get; init; }

    /// <summary>Where prompts run apart, the threads that they have, besides <see cref="Threads"/>; 0 for one a physical core.</summary>
    public int PrefillThreads { get; init; }

    /// <summary>The order in which requests are served: a name of <see cref="SchedulingPolicies"/>.</summary>
    public string Policy { get; init; } = SchedulingPolicies.All[0].Name;

    /// <summary>
    /// The time that may pass between two tokens of a request; null for whatever serves most tokens. Steps are kept as small as
    /// that takes, by what steps were measured to cost.
    /// </summary>
    public TimeSpan? InterTokenTarget { get; init; }

    /// <summary>Whether blocks of the cache are kept for requests that begin alike, as long as nothing else needs them.</summary>
    public bool PrefixCache { get; init; } = true;

    /// <summary>Keeps full-attention layers to a window and sinks, which is not what the model was made for; off by default.</summary>
    public Retention Retention { get; init; }

    /// <summary>Puts something around the operations that run the model, as <see cref="ProfilingOps"/>; it owns what it is given. Called once more where prompts run apart.</summary>
    public Func<Ops, Ops>? Wrap { get; init; }

    /// <summary>Whether every step checks the cache's books: for tests.</summary>
    public bool CheckIntegrity { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One makes no sense; the message names it.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Threads, MostThreads);
        ArgumentOutOfRangeException.ThrowIfNegative(PrefillThreads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PrefillThreads, MostThreads);
        ArgumentOutOfRangeException.ThrowIfNegative(Context);
        ArgumentOutOfRangeException.ThrowIfNegative(KvMemory);
        ArgumentOutOfRangeException.ThrowIfNegative(KvDisk);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Sequences);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(StepTokens);
        if (ActivationSparsity is { } sparsity && !(sparsity is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(ActivationSparsity), sparsity, "A share is from 0 to below 1.");
        ArgumentOutOfRangeException.ThrowIfNegative(Retention.Window);
        ArgumentOutOfRangeException.ThrowIfNegative(Retention.SinkTokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Running);
        if (InterTokenTarget <= TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(InterTokenTarget), InterTokenTarget, "A time between tokens is above zero.");
        _ = SchedulingPolicies.Get(Policy);
        _ = Tensors.KvFormats.KvFormats.Get(KvFormat);
    }
}
