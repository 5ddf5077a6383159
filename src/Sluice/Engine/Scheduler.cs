using Sluice.Cache;
using Sluice.Tensors;

namespace Sluice;

/// <summary>
/// Decides what each step computes: first come, first served. A request is admitted when the cache can hold it to its end beside
/// the admitted ones, so that nothing admitted ever waits for memory. A step runs one token of every request that is past its
/// prompt, and fills up with prompt tokens in order of arrival.
/// </summary>
internal sealed class Scheduler(KvCache cache, int stepTokens)
{
    private readonly Queue<Sequence> _waiting = new();
    private readonly List<Sequence> _running = [];
    private readonly int[] _promised = new int[cache.Groups.Count]; // blocks, for each group, of all running requests' full lengths

    /// <summary>The requests that are admitted, oldest first.</summary>
    public IReadOnlyList<Sequence> Running => _running;

    /// <summary>Whether there is nothing to do.</summary>
    public bool IsIdle => _running.Count == 0 && _waiting.Count == 0;

    /// <summary>Adds a request.</summary>
    public void Add(Sequence sequence) => _waiting.Enqueue(sequence);

    /// <summary>Ends every request.</summary>
    public void FinishAll(Exception reason)
    {
        foreach (Sequence sequence in _running.Concat(_waiting).Where(sequence => !sequence.IsFinished))
            sequence.Finish(reason);
    }

    /// <summary>Fills the batch with the next step's tokens; each running sequence's share is its <see cref="Sequence.Scheduled"/>.</summary>
    public void Schedule(Batch batch)
    {
        Retire();
        Admit();
        batch.Clear();
        int budget = stepTokens;
        foreach (Sequence sequence in _running)
        {
            // Requests past their prompt have one pending token: they come first.
            sequence.Scheduled = sequence.Pending == 1 ? 1 : 0;
            budget -= sequence.Scheduled;
        }
        foreach (Sequence sequence in _running)
        {
            if (sequence.Scheduled == 0)
                sequence.Scheduled = Math.Clamp(budget, 0, sequence.Pending);
            if (sequence.Pending > 1)
                budget -= sequence.Scheduled;
            if (sequence.Scheduled == 0)
                continue;
            if (!sequence.Cache!.TryReserve(sequence.Scheduled))
                throw new InvalidOperationException("The cache has less room than was promised.");
            sequence.Cache.Begin(batch);
            for (int i = 0; i < sequence.Scheduled; i++)
                batch.Add(sequence.PendingToken(i), wantOutput: i == sequence.Pending - 1);
        }
    }

    /// <summary>Drops requests that ended or were cancelled.</summary>
    private void Retire()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            Sequence sequence = _running[i];
            if (!sequence.IsFinished && sequence.Cancellation.IsCancellationRequested)
                sequence.Finish(new OperationCanceledException(sequence.Cancellation));
            if (!sequence.IsFinished)
                continue;
            _running.RemoveAt(i);
            for (int g = 0; g < _promised.Length; g++)
                _promised[g] -= Blocks(g, FullLength(sequence));
        }
    }

    private void Admit()
    {
        while (_waiting.TryPeek(out Sequence? sequence))
        {
            if (sequence.Cancellation.IsCancellationRequested)
            {
                sequence.Finish(new OperationCanceledException(sequence.Cancellation));
            }
            else
            {
                // A step has room for one token of each, at least.
                if (!HasRoom(sequence) || _running.Count == stepTokens)
                    return;
                sequence.Cache = cache.CreateSequence();
                for (int g = 0; g < _promised.Length; g++)
                    _promised[g] += Blocks(g, FullLength(sequence));
                _running.Add(sequence);
            }
            _waiting.Dequeue();
        }
    }

    private bool HasRoom(Sequence sequence)
    {
        for (int g = 0; g < _promised.Length; g++)
        {
            if (_promised[g] + Blocks(g, FullLength(sequence)) > cache.Groups[g].Pool.Count)
                return false;
        }
        return cache.HasFreeState;
    }

    private int Blocks(int group, int tokens) => KvPlan.BlocksFor(cache.Groups[group].Retention, tokens, stepTokens);

    private static int FullLength(Sequence sequence) => sequence.Request.Prompt.Count + sequence.MaxTokens;
}
