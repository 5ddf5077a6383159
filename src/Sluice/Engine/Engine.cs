using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tokenizers;

namespace Sluice;

/// <summary>
/// Runs a model for many requests at once. Requests come and go through channels; one thread schedules, runs, samples and
/// delivers, step by step.
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
    private readonly Channel<Sequence> _submitted = Channel.CreateUnbounded<Sequence>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Scheduler _scheduler;
    private readonly Batch _batch = new();
    private readonly Thread _thread;
    private volatile bool _isStopping;
    private Exception? _failure;

    private Engine(Runner runner, Tokenizer? tokenizer)
    {
        (Runner, Tokenizer) = (runner, tokenizer);
        _scheduler = new Scheduler(runner.Cache, runner.Options.StepTokens);
        _thread = new Thread(Loop) { IsBackground = true, Name = "Sluice engine" };
        _thread.Start();
    }

    /// <summary>The model's tokenizer; null where its file has no vocabulary, so that only token ids go in and out.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <summary>The model and its cache, which the engine's thread uses.</summary>
    public Runner Runner { get; }

    /// <summary>The most tokens of a request, prompt and continuation together.</summary>
    public int Context => Runner.Context;

    /// <summary>Whether the thread that runs requests lives: not after an error of its own, nor after <see cref="Dispose"/>.</summary>
    public bool IsAlive => _thread.IsAlive;

    /// <summary>Loads a model.</summary>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="options">How to run it; default options if null.</param>
    /// <param name="progress">Told the loaded share, 0 to 1.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">The file needs something that Sluice does not have.</exception>
    /// <exception cref="InvalidOperationException">Weights or the asked-for cache do not fit in memory.</exception>
    public static Engine Load(string path, EngineOptions? options = null, IProgress<float>? progress = null)
    {
        Runner runner = Runner.Load(path, options, progress);
        try
        {
            return new Engine(runner, HasVocabulary(runner.File) ? Tokenizer.FromModel(runner.File) : null);
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
        if (Tokenizer is null)
            throw new InvalidOperationException($"{Runner.File.Path} has no vocabulary: it takes token ids only.");
        int[] tokens = Tokenizer.Encode(prompt);
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
        ObjectDisposedException.ThrowIf(_isStopping, this);
        Check(request);
        CancellationTokenSource abandoned = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Sequence sequence = new(request, Runner.Model.Config.Vocabulary, Context, Tokenizer, abandoned.Token);
        if (!_submitted.Writer.TryWrite(sequence))
            throw new ObjectDisposedException(nameof(Engine), _failure);
        return Read(sequence, abandoned);
    }

    /// <summary>Stops after the step under way, ends open requests with an error, and frees the model.</summary>
    public void Dispose()
    {
        if (_isStopping)
            return;
        _isStopping = true;
        _submitted.Writer.TryComplete();
        _thread.Join();
        Runner.Dispose();
    }

    /// <summary>One step of the engine: schedule, run, sample, deliver.</summary>
    internal void Step()
    {
        _scheduler.Schedule(_batch);
        if (_batch.Count > 0)
        {
            using ScratchScope scope = Runner.Ops.Scratch();
            Tensor logits = Runner.Forward(_batch); // [outputs, vocabulary]
            int output = 0;
            foreach (Sequence sequence in _scheduler.Running)
            {
                bool isSampled = sequence.Scheduled == sequence.Pending;
                sequence.Cache!.Commit(sequence.Scheduled);
                if (isSampled)
                    Sample(sequence, logits[output++]);
            }
        }
        if (Runner.Options.CheckIntegrity)
            Runner.Cache.CheckIntegrity();
    }

    /// <summary>A request that cannot be sampled (its bias rules out every token) fails alone.</summary>
    private static void Sample(Sequence sequence, Span<float> logits)
    {
        try
        {
            sequence.Sample(logits);
        }
        catch (InvalidOperationException error)
        {
            sequence.Finish(error);
        }
    }

    /// <summary>Whether a file has a vocabulary: llama.cpp writes <c>no_vocab</c> for models of token ids alone.</summary>
    private static bool HasVocabulary(ModelFile file) =>
        file.Folder is not null || (file.Metadata.TryGetString("tokenizer.ggml.model", out string? model) && model != "no_vocab");

    private static async IAsyncEnumerable<GeneratedToken> Read(
        Sequence sequence, CancellationTokenSource abandoned, [EnumeratorCancellation] CancellationToken cancellation = default)
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
        int vocabulary = Runner.Model.Config.Vocabulary;
        if (request.Prompt.Count == 0)
            throw new ArgumentException("The prompt has no tokens.", nameof(request));
        foreach (int token in request.Prompt)
        {
            if ((uint)token >= (uint)vocabulary)
                throw new ArgumentException($"The prompt has token {token}; the vocabulary has {vocabulary}.", nameof(request));
        }
        if (request.MaxTokens is <= 0)
            throw new ArgumentException($"MaxTokens must be 1 or more; it is {request.MaxTokens}.", nameof(request));
        if (request.Prompt.Count >= Context)
            throw new ArgumentException($"The prompt has {request.Prompt.Count:N0} tokens and leaves no room in a context of {Context:N0}.", nameof(request));
    }

    private void Loop()
    {
        try
        {
            while (!_isStopping)
            {
                if (_scheduler.IsIdle && !_submitted.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
                    break;
                while (_submitted.Reader.TryRead(out Sequence? sequence))
                    _scheduler.Add(sequence);
                Step();
            }
        }
        catch (Exception error)
        {
            // Whatever went wrong, nobody may wait for ever: every open request learns of it.
            _failure = error;
        }
        _submitted.Writer.TryComplete();
        Exception reason = _failure ?? new ObjectDisposedException(nameof(Engine));
        while (_submitted.Reader.TryRead(out Sequence? sequence))
            sequence.Finish(reason);
        _scheduler.FinishAll(reason);
    }
}
