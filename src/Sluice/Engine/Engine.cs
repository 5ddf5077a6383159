using System.Diagnostics;
using System.Runtime.CompilerServices;
using Sluice.Files;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tokenizers;

namespace Sluice;

/// <summary>
/// Runs a model for many requests at once. One thread schedules, runs, samples and delivers, step by step; or two do, one of
/// which reads prompts. Tokens come out through channels.
/// </summary>
/// <example>
/// <code>
/// using Engine engine = Engine.Load("model.gguf");
/// await foreach (GeneratedToken token in engine.Generate("Once upon a time"))
///     Console.Write(token.Text);
/// </code>
/// </example>
public sealed class Engine : IDisposable
{
    private readonly object _books = new(); // held whenever the scheduler or the cache's books are touched; not while a step runs
    private readonly StepBudget _budget;
    private readonly Scheduler _scheduler;
    private readonly StatisticsBook _statistics;
    private readonly AdapterBook _adapters;
    private readonly Worker[] _workers;
    private readonly Thread[] _threads;
    private int _working; // threads that have not ended
    private volatile bool _isStopping, _hasEnded;
    private volatile Exception? _failure;

    private Engine(Runner runner, Tokenizer? tokenizer, bool isStepped)
    {
        (Runner, Tokenizer) = (runner, tokenizer);
        EngineOptions options = runner.Options;
        _budget = new StepBudget(options.StepTokens, options.Running, options.InterTokenTarget);
        _scheduler = new Scheduler(runner.Cache, _budget, SchedulingPolicies.Get(options.Policy), options.StepTokens);
        _statistics = new StatisticsBook(runner.Cache, _scheduler, _budget);
        _adapters = new AdapterBook(runner);
        _workers = runner.Workers();
        _threads = isStepped ? [] : [.. _workers.Select(worker => new Thread(() => Loop(worker)) { IsBackground = true, Name = $"Sluice engine ({worker.Role})" })];
        _working = _threads.Length;
        foreach (Thread thread in _threads)
            thread.Start();
    }

    /// <summary>What runs the steps.</summary>
    internal IReadOnlyList<Worker> Workers => _workers;

    /// <summary>The model's tokenizer; null where its file has no vocabulary, so that only token ids go in and out.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <summary>The model and its cache, which the engine's thread uses.</summary>
    public Runner Runner { get; }

    /// <summary>The most tokens of a request, prompt and continuation together.</summary>
    public int Context => Runner.Context;

    /// <summary>What memory it takes.</summary>
    public MemoryPlan Memory => Runner.Memory;

    /// <summary>What it is doing and has done; from any thread, at any time.</summary>
    public EngineStatistics Statistics
    {
        get
        {
            lock (_books)
                return _statistics.Read();
        }
    }

    /// <summary>The adapters that requests may ask for.</summary>
    public IReadOnlyList<AdapterInfo> Adapters
    {
        get
        {
            lock (_books)
                return _adapters.All;
        }
    }

    /// <summary>Whether requests are taken: false once it is disposed, or has failed.</summary>
    public bool IsAlive => !_isStopping && !_hasEnded;

    /// <summary>What ended the engine's thread, and with it all requests; null as long as nothing did.</summary>
    public Exception? Failure => _failure;

    /// <summary>Loads a model.</summary>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="options">How to run it; default options if null.</param>
    /// <param name="progress">Told the loaded share, 0 to 1.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">The file needs something that Sluice does not have.</exception>
    /// <exception cref="InvalidOperationException">Weights or the asked-for cache do not fit in memory.</exception>
    public static Engine Load(string path, EngineOptions? options = null, IProgress<float>? progress = null) =>
        Load(path, options, progress, isStepped: false);

    /// <summary>As the other; where <paramref name="isStepped"/>, without a thread: who loads it calls <see cref="Step"/>.</summary>
    internal static Engine Load(string path, EngineOptions? options, IProgress<float>? progress, bool isStepped)
    {
        Runner runner = Runner.Load(path, options, progress);
        try
        {
            return new Engine(runner, HasVocabulary(runner.File) ? Tokenizer.FromModel(runner.File) : null, isStepped);
        }
        catch
        {
            runner.Dispose();
            throw;
        }
    }

    /// <summary>Continues a text.</summary>
    /// <param name="prompt">The text; special tokens that the model wants around it are added.</param>
    /// <param name="template">Everything else of the request, as its sampling; default if null.</param>
    /// <param name="cancellation">Ends the generation and frees its cache at the next step.</param>
    public IAsyncEnumerable<GeneratedToken> Generate(string prompt, Request? template = null, CancellationToken cancellation = default)
    {
        int[] tokens = Encode(prompt);
        return Generate(template is null ? new Request { Prompt = tokens } : template with { Prompt = tokens }, cancellation);
    }

    /// <summary>Continues some tokens.</summary>
    /// <param name="request">The prompt and how to continue it.</param>
    /// <param name="cancellation">Ends the generation and frees its cache at the next step.</param>
    /// <returns>
    /// The tokens as they are generated. Submitted at once, so that several requests run together; leaving the loop early
    /// cancels.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The prompt is empty, has a token that is none, or is longer than the context or the cache can hold.
    /// </exception>
    public IAsyncEnumerable<GeneratedToken> Generate(Request request, CancellationToken cancellation = default)
    {
        CancellationTokenSource abandoned = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            return Read(Submit(request, abandoned.Token), abandoned);
        }
        catch
        {
            abandoned.Dispose();
            throw;
        }
    }

    /// <summary>Makes a vector that stands for a text, beside whatever else the engine does.</summary>
    /// <param name="text">The text; special tokens that the model wants around it are added.</param>
    /// <param name="template">Everything else of the request; default if null.</param>
    /// <param name="cancellation">Gives up and frees the cache at the next step.</param>
    public Task<Embedding> Embed(string text, EmbeddingRequest? template = null, CancellationToken cancellation = default)
    {
        int[] tokens = Encode(text);
        return Embed(template is null ? new EmbeddingRequest { Prompt = tokens } : template with { Prompt = tokens }, cancellation);
    }

    /// <summary>The same of several texts, which run together.</summary>
    public Task<Embedding[]> Embed(IReadOnlyList<string> texts, EmbeddingRequest? template = null, CancellationToken cancellation = default) =>
        Task.WhenAll(texts.Select(text => Embed(text, template, cancellation)));

    /// <summary>Makes a vector that stands for some tokens.</summary>
    /// <param name="request">The tokens and what to make of them.</param>
    /// <param name="cancellation">Gives up and frees the cache at the next step.</param>
    /// <exception cref="ArgumentException">
    /// The prompt is empty, has a token that is none, or is longer than the context.
    /// </exception>
    public Task<Embedding> Embed(EmbeddingRequest request, CancellationToken cancellation = default) => Submit(request, cancellation).Result;

    /// <summary>Loads a low-rank adapter (LoRA), for requests that name it; others run on meanwhile.</summary>
    /// <param name="name">What requests call it.</param>
    /// <param name="path">A GGUF file or a PEFT folder.</param>
    /// <param name="scale">A factor of what it adds.</param>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or does not fit the model; the message names the key or the tensor.</exception>
    /// <exception cref="NotSupportedException">It needs something that Sluice does not have; the message names the key or the tensor.</exception>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="InvalidOperationException">It is larger than free memory.</exception>
    public AdapterInfo LoadAdapter(string name, string path, float scale = 1)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Adapter adapter = Runner.LoadAdapter(name, path, scale);
        lock (_books)
        {
            try
            {
                ObjectDisposedException.ThrowIf(_isStopping, this);
                return _adapters.Add(adapter, path);
            }
            catch
            {
                Runner.UnloadAdapter(adapter);
                throw;
            }
        }
    }

    /// <summary>
    /// Takes an adapter away: new requests cannot ask for it any more. Those that have it go on to their end, and its memory is freed
    /// with the last of them.
    /// </summary>
    /// <returns>Whether there was one of that name.</returns>
    public bool UnloadAdapter(string name)
    {
        lock (_books)
            return !_isStopping && _adapters.Remove(name);
    }

    /// <summary>Stops after the step under way, ends open requests with an error, and frees the model.</summary>
    public void Dispose()
    {
        lock (_books)
        {
            if (_isStopping)
                return;
            _isStopping = true;
            if (_threads.Length == 0)
                EndAll();
            Monitor.PulseAll(_books);
        }
        foreach (Thread thread in _threads)
            thread.Join();
        Runner.Dispose();
    }

    /// <summary>Hands a request to the scheduler.</summary>
    internal Generation Submit(Request request, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_isStopping, this);
        Check(request);
        return Submit(new Generation(request, Runner.Model.Config.Vocabulary, Context, Tokenizer, cancellation), request.Adapter);
    }

    /// <summary>As the other, for an embedding.</summary>
    internal EmbeddingSequence Submit(EmbeddingRequest request, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_isStopping, this);
        CheckTokens(request.Prompt);
        if (request.Prompt.Count > Context)
            throw new ArgumentException($"The text has {request.Prompt.Count:N0} tokens, more than the context of {Context:N0}.", nameof(request));
        Pooling pooling = request.Pooling ?? Runner.Model.Config.Pooling;
        if (!Enum.IsDefined(pooling))
            throw new ArgumentException($"There is no pooling {pooling}.", nameof(request));
        return Submit(new EmbeddingSequence(request, pooling, Runner.Model.Config.Embedding, cancellation), request.Adapter);
    }

    private T Submit<T>(T sequence, string? adapter)
        where T : Sequence
    {
        lock (_books)
        {
            if (_isStopping || _hasEnded)
                throw new ObjectDisposedException(nameof(Engine), _failure);
            sequence.Adapter = _adapters.Use(adapter);
            _scheduler.Add(sequence);
            Monitor.PulseAll(_books);
        }
        return sequence;
    }

    /// <summary>One step of an engine without threads, of each worker in turn.</summary>
    internal void Step()
    {
        foreach (Worker worker in _workers)
        {
            if (TrySchedule(worker))
                Run(worker);
        }
    }

    /// <summary>One step of the engine: it was scheduled; run, sample, deliver.</summary>
    internal void Run(Worker worker)
    {
        long start = Stopwatch.GetTimestamp();
        using ScratchScope scope = worker.Scratch();
        StepOutputs outputs = worker.Run();
        Deliver(worker, outputs, start);
    }

    /// <summary>Chooses a worker's next step.</summary>
    /// <returns>Whether there is something to run.</returns>
    internal bool TrySchedule(Worker worker)
    {
        lock (_books)
        {
            if (_scheduler.Schedule(worker))
                Monitor.PulseAll(_books); // another worker may have something to do now
            if (Runner.Options.CheckIntegrity)
                Runner.Cache.CheckIntegrity();
            return worker.Batch.Count > 0;
        }
    }

    /// <summary>Counts a step's tokens as cached, and gives each sequence what it wanted of them: its next token, or rows.</summary>
    private void Deliver(Worker worker, StepOutputs outputs, long start)
    {
        lock (_books)
        {
            int generated = 0, decoding = 0;
            foreach (Sequence sequence in worker.Sequences)
            {
                decoding += sequence.Scheduled == 1 ? 1 : 0;
                generated += sequence.Deliver(ref outputs) ? 1 : 0;
            }
            // What it cost, for the size of the next ones and for those who watch.
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            _budget.Observe(decoding, worker.Batch.Count - decoding, time.TotalSeconds);
            _statistics.AddStep(worker.Batch.Count - decoding, generated, worker.Batch.Count, time);
            if (Runner.Options.CheckIntegrity)
                Runner.Cache.CheckIntegrity();
            Monitor.PulseAll(_books); // another worker may go on with these
        }
    }

    /// <summary>Whether a file has a vocabulary: llama.cpp writes <c>no_vocab</c> for models of token ids alone.</summary>
    private static bool HasVocabulary(ModelFile file) =>
        file.Folder is not null || (file.Metadata.TryGetString("tokenizer.ggml.model", out string? model) && model != "no_vocab");

    private int[] Encode(string text) => Tokenizer is not null
        ? Tokenizer.Encode(text)
        : throw new InvalidOperationException($"{Runner.File.Path} has no vocabulary: it takes token ids only.");

    private static async IAsyncEnumerable<GeneratedToken> Read(
        Generation sequence, CancellationTokenSource abandoned, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using (abandoned)
        {
            try
            {
                await foreach (GeneratedToken token in sequence.Output.ReadAllAsync(cancellation).ConfigureAwait(false))
                    yield return token;
            }
            finally
            {
                await abandoned.CancelAsync().ConfigureAwait(false);
            }
        }
    }

    private void Check(Request request)
    {
        CheckTokens(request.Prompt);
        if (request.PromptLogProbs < 0)
            throw new ArgumentException($"PromptLogProbs must be 0 or more; it is {request.PromptLogProbs}.", nameof(request));
        if (request.MaxTokens is <= 0)
            throw new ArgumentException($"MaxTokens must be 1 or more; it is {request.MaxTokens}.", nameof(request));
        if (request.Prompt.Count >= Context)
            throw new ArgumentException($"The prompt has {request.Prompt.Count:N0} tokens and leaves no room in a context of {Context:N0}.", nameof(request));
    }

    private void CheckTokens(IReadOnlyList<int> prompt)
    {
        int vocabulary = Runner.Model.Config.Vocabulary;
        if (prompt.Count == 0)
            throw new ArgumentException("The prompt has no tokens.", "request");
        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)vocabulary)
                throw new ArgumentException($"The prompt has token {token}; the vocabulary has {vocabulary}.", "request");
        }
    }

    private void Loop(Worker worker)
    {
        try
        {
            while (Await(worker))
                Run(worker);
        }
        catch (Exception error)
        {
            // Whatever went wrong, nobody may wait for ever: every open request learns of it.
            _failure ??= error;
        }
        lock (_books)
        {
            _hasEnded = true;
            if (--_working == 0)
                EndAll();
            Monitor.PulseAll(_books);
        }
    }

    /// <summary>Schedules a worker's next step, waiting until there is one.</summary>
    /// <returns>False once the engine ends.</returns>
    private bool Await(Worker worker)
    {
        lock (_books)
        {
            while (!_isStopping && !_hasEnded)
            {
                if (TrySchedule(worker))
                    return true;
                Monitor.Wait(_books);
            }
            return false;
        }
    }

    private void EndAll()
    {
        _hasEnded = true;
        _scheduler.EndAll(_failure ?? new ObjectDisposedException(nameof(Engine)));
    }
}
