using Sluice.Cache;

namespace Sluice;

/// <summary>
/// Decides anew before each step what it computes (iteration-level scheduling, Orca, Yu et al. 2022), in the order of a
/// <see cref="SchedulingPolicy"/>. A request is admitted when the cache has room for what it is so far, and grows block by
/// block; when the cache is full, the last in the order is set aside and recomputed later. The first in the order always goes
/// on, so all do in the end. A step runs one token of every request past its prompt, and fills up with pieces of prompts
/// (Sarathi-Serve, Agrawal et al. 2024).
/// </summary>
internal sealed class Scheduler(KvCache cache, StepBudget budget, SchedulingPolicy policy, int stepTokens)
{
    private readonly List<Sequence> _waiting = []; // both in the policy's order
    private readonly List<Sequence> _running = [];
    private readonly PromptShares _prompts = new();
    private Sequence? _held; // the first that could not go on because of what was in flight: those after it wait until it can
    private bool _hasChanged; // whether requests came, went or got on by being scheduled
    private long _arrivals;

    /// <summary>The requests that are admitted, in the policy's order.</summary>
    public List<Sequence> Running => _running;

    /// <summary>The requests that are not.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>What has happened so far.</summary>
    public SchedulerCounts Counts { get; } = new();

    /// <summary>Adds a request.</summary>
    public void Add(Sequence sequence)
    {
        sequence.Place = (policy.Rank(sequence.Priority, sequence.Arrival), _arrivals++);
        Insert(_waiting, sequence);
    }

    /// <summary>Ends every request. The cache stays as it is: where the engine has failed, its books may not be right.</summary>
    public void EndAll(Exception reason)
    {
        foreach (Sequence sequence in _running.Concat(_waiting).Where(sequence => !sequence.IsFinished))
            sequence.End(reason);
        Retire();
    }

    /// <summary>Chooses a worker's next step: fills its batch, which stays empty where there is nothing that it can do.</summary>
    /// <returns>Whether anything changed that another worker may have waited for.</returns>
    public bool Schedule(Worker worker)
    {
        _hasChanged = false;
        worker.Batch.Clear();
        worker.Sequences.Clear();
        Retire();
        Admit();
        Share(worker);
        Reserve(worker.Sequences);
        foreach (Sequence sequence in worker.Sequences)
            sequence.AddTo(worker.Batch);
        return _hasChanged;
    }

    /// <summary>Drops requests that ended or were cancelled.</summary>
    private void Retire()
    {
        Retire(_running);
        Retire(_waiting);
    }

    private void Retire(List<Sequence> sequences)
    {
        int kept = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            Sequence sequence = sequences[i];
            if (!sequence.IsFinished && !sequence.IsInFlight && sequence.Cancellation.IsCancellationRequested)
                sequence.Finish(new OperationCanceledException(sequence.Cancellation));
            if (sequence.IsFinished)
                Left(sequence);
            else
                sequences[kept++] = sequence;
        }
        sequences.RemoveRange(kept, sequences.Count - kept);
    }

    /// <summary>
    /// Admits in order, for as long as there is room. One that goes before a running one takes its place; none overtakes another
    /// because it is smaller, or large ones would wait for ever.
    /// </summary>
    private void Admit()
    {
        while (_waiting.Count > 0)
        {
            Sequence first = _waiting[0];
            if (_running.Count >= Math.Max(1, budget.RunningLimit) && !TrySetAside(after: first))
                return;
            while (!TryStart(first))
            {
                if (_running.Count == 0)
                    throw new InvalidOperationException("The cache cannot hold a single request, which its plan promised.");
                if (!TrySetAside(after: first))
                    return;
            }
            _waiting.RemoveAt(0); // those that were set aside come after it
            Insert(_running, first);
            _hasChanged = true;
        }
    }

    /// <summary>Gives a request its cache if that has room for what it is so far, and for the running ones to grow a little.</summary>
    private bool TryStart(Sequence sequence)
    {
        if (!cache.HasFreeState)
            return false;
        sequence.Cache = cache.CreateSequence(sequence.Adapter?.Adapter);
        int reused = sequence.Reuse();
        for (int g = 0; g < cache.Groups.Count; g++)
        {
            // Blocks that running ones will yet take: for the rest of their prompts, and a block more.
            long promised = 0;
            foreach (Sequence running in _running)
                promised += Missing(g, running, extra: Tensors.KvFormats.KvFormat.BlockSize);
            if (promised + Missing(g, sequence, extra: 0) > cache.Available(g))
            {
                sequence.Cache.Dispose();
                sequence.Cache = null;
                return false;
            }
        }
        sequence.Started();
        reused += sequence.Load();
        Counts.Reused(sequence, queried: sequence.Reusable > 0 ? sequence.Length : 0, reused);
        return true;
    }

    private int Missing(int group, Sequence sequence, int extra) => Math.Max(
        0, KvPlan.BlocksFor(cache.Groups[group].Retention, sequence.Length + extra, stepTokens) - sequence.Cache!.Held(group));

    /// <summary>Divides the step's tokens: one for each that is past its prompt, and what is left of the budget for prompts.</summary>
    private void Share(Worker worker)
    {
        int decoding = 0;
        _prompts.Clear();
        foreach (Sequence sequence in _running)
        {
            if (sequence.IsInFlight || (sequence.Needs & worker.Role) == 0)
                continue;
            if (_held is not null && sequence.Place.CompareTo(_held.Place) > 0)
                break;
            worker.Sequences.Add(sequence);
            // Another may have computed, since the last step, what this one would compute next.
            if (sequence.Pending > 1 && sequence.Reuse() is > 0 and int reused)
                Counts.Reused(sequence, queried: 0, reused);
            sequence.Scheduled = sequence.Pending == 1 ? 1 : 0;
            decoding += sequence.Scheduled;
            if (sequence.Pending > 1)
                _prompts.Add(sequence);
        }
        _prompts.Divide(budget.PromptTokens(decoding), budget.MostRunning - _running.Count + 1);
    }

    /// <summary>
    /// Takes cache blocks for the shares, setting aside the last in the order where there are too few; keeps those that have a share
    /// and got their blocks.
    /// </summary>
    private void Reserve(List<Sequence> sequences)
    {
        int kept = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            Sequence sequence = sequences[i];
            if (sequence.Scheduled > 0 && sequence.Pending > 1)
                ReusePart(sequence);
            if (sequence.Scheduled == 0 || !TryReserve(sequence))
                continue; // without a share, set aside by one before, or held
            if (_held == sequence)
                _held = null;
            sequences[kept++] = sequence;
        }
        sequences.RemoveRange(kept, sequences.Count - kept);
    }

    /// <summary>Copies what it can of its next block. Only now that it has a share: before, it may wait for one that computes the whole block.</summary>
    private void ReusePart(Sequence sequence)
    {
        int reused = sequence.ReusePart(_running);
        Counts.Reused(sequence, queried: 0, reused);
        sequence.Scheduled = Math.Min(sequence.Scheduled, sequence.Pending);
    }

    private bool TryReserve(Sequence sequence)
    {
        while (!sequence.Cache!.TryReserve(sequence.Scheduled))
        {
            Sequence last = Last()!;
            if (last != sequence)
            {
                SetAside(last);
                continue;
            }
            if (_running.Count == 1)
                throw new InvalidOperationException("The cache cannot hold a single request, which its plan promised.");
            if (_running[^1] == sequence)
            {
                SetAside(sequence);
                return false;
            }
            // Those after it are in flight. They must not be again before it had its turn.
            sequence.Scheduled = 0;
            _held = _held is null || _held.Place.CompareTo(sequence.Place) > 0 ? sequence : _held;
            return false;
        }
        return true;
    }

    /// <summary>Sets the last running request aside if it comes after another.</summary>
    private bool TrySetAside(Sequence after)
    {
        if (Last() is not { } last || last.Place.CompareTo(after.Place) < 0)
            return false;
        SetAside(last);
        return true;
    }

    /// <summary>The last running request that is not in flight.</summary>
    private Sequence? Last()
    {
        int index = _running.Count - 1;
        while (index >= 0 && _running[index].IsInFlight)
            index--;
        return index < 0 ? null : _running[index];
    }

    /// <summary>Notes that a request ended.</summary>
    private void Left(Sequence sequence)
    {
        _hasChanged = true;
        Counts.Ended(sequence);
        sequence.Adapter?.Release();
        if (_held == sequence)
            _held = null;
    }

    /// <summary>
    /// Frees a running request's blocks. It waits again at its place in the order, and goes on from its tokens so far; most of
    /// its blocks will still be cached unless others took them.
    /// </summary>
    private void SetAside(Sequence sequence)
    {
        if (_held == sequence)
            _held = null;
        _running.Remove(sequence);
        sequence.SetAside();
        _hasChanged = true;
        Counts.Preemptions++;
        Insert(_waiting, sequence);
    }

    private static void Insert(List<Sequence> sequences, Sequence sequence)
    {
        int index = sequences.Count;
        while (index > 0 && sequences[index - 1].Place.CompareTo(sequence.Place) > 0)
            index--;
        sequences.Insert(index, sequence);
    }
}
