using System.Diagnostics;
using System.Runtime.InteropServices;
using Sluice.Cache;
using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice;

/// <summary>
/// A request in the engine: its tokens so far and what of them is cached. What it wants of its tokens' rows is a
/// <see cref="Generation"/>'s or an <see cref="EmbeddingSequence"/>'s matter.
/// </summary>
internal abstract class Sequence
{
    private readonly List<int> _tokens;
    private int _cachedPrompt;

    /// <param name="prompt">The tokens that it begins with.</param>
    /// <param name="priority">How urgent it is: higher goes first.</param>
    /// <param name="cancellation">Ends it.</param>
    protected Sequence(IReadOnlyList<int> prompt, int priority, CancellationToken cancellation)
    {
        _tokens = [.. prompt];
        (PromptTokens, Priority, Cancellation) = (prompt.Count, priority, cancellation);
    }

    public int Priority { get; }

    public CancellationToken Cancellation { get; }

    /// <summary>The adapter that the model has for it; null for none.</summary>
    public AdapterBook.Entry? Adapter { get; set; }

    /// <summary>When it was submitted, by the machine's clock.</summary>
    public TimeSpan Arrival => Stopwatch.GetElapsedTime(0, Submitted);

    /// <summary>Its place in the scheduler's order: lower goes first.</summary>
    public (long Rank, long Arrival) Place { get; set; }

    /// <summary>How often it was set aside.</summary>
    public int Preemptions { get; private set; }

    /// <summary>What is cached; null while the request waits.</summary>
    public SequenceCache? Cache { get; set; }

    /// <summary>Its tokens so far: the prompt and what was generated.</summary>
    public int Length => _tokens.Count;

    /// <summary>
    /// The tokens that a step has yet to run: the rest of the prompt, or the token generated last; after it was set aside, all
    /// that are no longer cached.
    /// </summary>
    public int Pending => _tokens.Count - (Cache?.Length ?? 0);

    /// <summary>Whether logits of its prompt are still wanted: a step has room for those of few rows.</summary>
    public virtual bool IsScored => false;

    /// <summary>The tokens that the next step, or the one under way, runs.</summary>
    public int Scheduled { get; set; }

    /// <summary>Whether a step runs some of its tokens right now, so that its cache must stay as it is.</summary>
    public bool IsInFlight { get; private set; }

    /// <summary>What kind of step it needs: its prompt is read, or read again, until the next token can be chosen.</summary>
    public StepRole Needs { get; private set; } = StepRole.Prompts;

    /// <summary>Whether it ended, with what was asked for or with an error.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>What it ended with; null for what was asked for.</summary>
    public Exception? Error { get; private set; }

    /// <summary>How many of its first tokens may be taken from the cache: no row is wanted of these.</summary>
    public abstract int Reusable { get; }

    /// <summary>The tokens that it began with.</summary>
    protected int PromptTokens { get; }

    /// <summary>Of these, the ones that were found in the cache.</summary>
    protected int CachedPromptTokens => _cachedPrompt;

    /// <summary>When it was submitted and when it was admitted first (<see cref="Stopwatch"/> times).</summary>
    protected long Submitted { get; } = Stopwatch.GetTimestamp();

    protected long Admitted { get; private set; }

    private ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>Notes that it was admitted.</summary>
    public void Started()
    {
        if (Admitted == 0)
            Admitted = Stopwatch.GetTimestamp();
    }

    /// <summary>Frees its cache; it goes on later from its tokens.</summary>
    public void SetAside()
    {
        Cache!.Dispose();
        Cache = null;
        Scheduled = 0;
        Needs = StepRole.Prompts;
        Preemptions++;
    }

    /// <summary>Takes from the cache what others have computed of its tokens, as far as no row of them is wanted.</summary>
    /// <returns>The tokens that need not be computed.</returns>
    public int Reuse() => Reused(Cache!.Reuse(Tokens[..Reusable]));

    /// <summary>The same of a block that begins as it does and then differs: a cached one, or one that a running request goes on with.</summary>
    /// <returns>The tokens that need not be computed.</returns>
    public int ReusePart(IEnumerable<Sequence> running)
    {
        int start = Cache!.SharedLength, most = 0;
        if (Cache.Length != start)
            return 0;
        ReadOnlySpan<int> next = Tokens[start..Math.Max(start, Reusable)];
        SequenceCache? best = null;
        foreach (Sequence other in running)
        {
            if (other == this || !Cache.IsAlongside(other.Cache!))
                continue;
            int alike = next.CommonPrefixLength(other.Tokens[start..other.Cache!.Length]);
            if (alike > most)
                (best, most) = (other.Cache, alike);
        }
        return Reused(Cache.ReusePart(next, best, most));
    }

    /// <summary>The same of what was evicted to disk.</summary>
    /// <returns>The tokens that need not be computed.</returns>
    public int Load() => Reused(Cache!.Load(Tokens[..Reusable]));

    private int Reused(int reused)
    {
        if (Length == PromptTokens && Preemptions == 0)
            _cachedPrompt += reused;
        return reused;
    }

    /// <summary>
    /// Whether another, which is about to be computed, goes on with the same block of tokens, so that this one need only wait
    /// for it.
    /// </summary>
    public bool WillFindBlockOf(Sequence other)
    {
        const int Size = KvFormat.BlockSize;
        int start = Cache!.SharedLength;
        return Cache.IsAlongside(other.Cache!) && Cache.Length == start
            && Reusable >= start + Size && other._tokens.Count >= start + Size
            && Tokens.Slice(start, Size).SequenceEqual(other.Tokens.Slice(start, Size));
    }

    /// <summary>Adds its share of the step to a batch.</summary>
    public void AddTo(Batch batch)
    {
        IsInFlight = true;
        Cache!.Begin(batch);
        for (int i = Cache.Length; i < Cache.Length + Scheduled; i++)
            batch.Add(_tokens[i], WantsLogits(i), WantsHidden(i));
    }

    /// <summary>Counts its share of the step as cached, and takes what it wanted of it.</summary>
    /// <param name="outputs">Those of the whole step, of which the next are its own.</param>
    /// <returns>Whether a token was generated.</returns>
    public bool Deliver(ref StepOutputs outputs)
    {
        int first = Cache!.Length, end = first + Scheduled;
        Cache.Commit(Scheduled, Tokens);
        (IsInFlight, Scheduled) = (false, 0);
        if (Pending == 0)
            Needs = StepRole.Decode;
        return Receive(first, end, ref outputs);
    }

    /// <summary>Ends the output, with an error or without, and gives the cache back.</summary>
    public void Finish(Exception? error)
    {
        End(error);
        Cache?.Dispose();
    }

    /// <summary>Ends the output alone, for when the whole cache goes.</summary>
    public void End(Exception? error)
    {
        (IsFinished, Error) = (true, error);
        Complete(error);
    }

    /// <summary>Whether the logits after a token are wanted.</summary>
    protected abstract bool WantsLogits(int index);

    /// <summary>Whether the hidden row of a token is wanted.</summary>
    protected abstract bool WantsHidden(int index);

    /// <summary>Takes what it wanted of its tokens from <paramref name="first"/> up to <paramref name="end"/>.</summary>
    /// <returns>Whether a token was generated.</returns>
    protected abstract bool Receive(int first, int end, ref StepOutputs outputs);

    /// <summary>Tells who asked that nothing more will come.</summary>
    protected abstract void Complete(Exception? error);

    /// <summary>Adds a token that was generated.</summary>
    protected void Append(int token) => _tokens.Add(token);
}
