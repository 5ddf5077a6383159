namespace Sluice.Tensors;

/// <summary>
/// What one forward pass computes: a ragged list of tokens, grouped by sequence. Prefill, decode, any mix of both, and the
/// verification of a draft or a draft tree are all such a list.
/// </summary>
/// <remarks>
/// Row i of a sequence goes into its cache slot Past + i. On a chain the slot is the position; in a tree siblings share a
/// position but not a slot. A token sees the sequence's cached slots (within a layer's window), its ancestors in this batch,
/// and itself. A batch is filled and passed by one thread, and reused from step to step without allocating.
/// </remarks>
public sealed class Batch
{
    private int[] _tokens = new int[64], _positions = new int[64], _parents = new int[64], _outputs = new int[64], _hidden = new int[64];
    private BatchSequence[] _sequences = new BatchSequence[8];
    private int _sequenceCount, _outputCount, _hiddenCount;

    /// <summary>The number of tokens.</summary>
    public int Count { get; private set; }

    /// <summary>Token ids [Count].</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>Positions in their sequences [Count].</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, Count);

    /// <summary>The batch row of the token before each one, or -1 where that is the last cached one [Count].</summary>
    public ReadOnlySpan<int> Parents => _parents.AsSpan(0, Count);

    /// <summary>The rows whose logits are wanted, ascending.</summary>
    public ReadOnlySpan<int> Outputs => _outputs.AsSpan(0, _outputCount);

    /// <summary>The rows that are wanted as they are after the last norm, as for embeddings, ascending.</summary>
    public ReadOnlySpan<int> Hidden => _hidden.AsSpan(0, _hiddenCount);

    /// <summary>The sequences, in the order of their rows.</summary>
    public ReadOnlySpan<BatchSequence> Sequences => _sequences.AsSpan(0, _sequenceCount);

    /// <summary>Empties the batch for another step.</summary>
    public void Clear()
    {
        Array.Clear(_sequences, 0, _sequenceCount); // let go of the block tables
        (Count, _sequenceCount, _outputCount, _hiddenCount) = (0, 0, 0, 0);
    }

    /// <summary>Starts the rows of another sequence.</summary>
    /// <param name="past">How many of its tokens the cache holds.</param>
    /// <param name="blockTables">For each cache group, the block of every <c>BlockSize</c> slots; -1 where it was given back.</param>
    /// <param name="stateSlot">Where its recurrent state is, for state-space layers.</param>
    /// <param name="adapter">What linear maps add for its rows, if anything.</param>
    public void BeginSequence(int past, int[][] blockTables, int stateSlot = 0, Adapter? adapter = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(past);
        if (_sequenceCount == _sequences.Length)
            Array.Resize(ref _sequences, _sequenceCount * 2);
        _sequences[_sequenceCount++] = new BatchSequence(Count, past, blockTables, stateSlot, adapter);
    }

    /// <summary>Adds the token that follows the one added last (or the cached ones).</summary>
    /// <returns>Its row.</returns>
    public int Add(int token, bool wantOutput, bool wantHidden = false) =>
        AddChild(token, Last.Count == 0 ? -1 : Count - 1, wantOutput, wantHidden);

    /// <summary>Adds a token of a tree.</summary>
    /// <param name="token">Its id.</param>
    /// <param name="parent">The row of the token before it, in this sequence, or -1 where that is the last cached one.</param>
    /// <param name="wantOutput">Whether its logits are wanted.</param>
    /// <param name="wantHidden">Whether its row after the last norm is.</param>
    /// <returns>Its row.</returns>
    public int AddChild(int token, int parent, bool wantOutput, bool wantHidden = false)
    {
        ref BatchSequence sequence = ref Last;
        if (parent != -1 && (parent < sequence.Start || parent >= Count))
            throw new ArgumentOutOfRangeException(nameof(parent), parent, "A parent is an earlier row of the same sequence, or -1.");
        if (Count == _tokens.Length)
        {
            Array.Resize(ref _tokens, Count * 2);
            Array.Resize(ref _positions, Count * 2);
            Array.Resize(ref _parents, Count * 2);
            Array.Resize(ref _outputs, Count * 2);
            Array.Resize(ref _hidden, Count * 2);
        }
        _tokens[Count] = token;
        _parents[Count] = parent;
        _positions[Count] = parent == -1 ? sequence.Past : _positions[parent] + 1;
        sequence.Append(isChain: parent == (sequence.Count == 0 ? -1 : Count - 1));
        if (wantOutput)
            _outputs[_outputCount++] = Count;
        if (wantHidden)
            _hidden[_hiddenCount++] = Count;
        return Count++;
    }

    private ref BatchSequence Last
    {
        get
        {
            if (_sequenceCount == 0)
                throw new InvalidOperationException("BeginSequence comes first.");
            return ref _sequences[_sequenceCount - 1];
        }
    }
}

/// <summary>The rows of one sequence in a <see cref="Batch"/>.</summary>
public struct BatchSequence
{
    internal BatchSequence(int start, int past, int[][] blockTables, int stateSlot, Adapter? adapter) =>
        (Start, Past, BlockTables, StateSlot, Adapter, IsChain) = (start, past, blockTables, stateSlot, adapter, true);

    /// <summary>Its first row.</summary>
    public int Start { get; }

    /// <summary>Its rows.</summary>
    public int Count { get; private set; }

    /// <summary>The tokens that the cache held before this batch; row Start + i goes into slot Past + i.</summary>
    public int Past { get; }

    /// <summary>For each cache group, the block of every BlockSize slots, or -1 where it was given back.</summary>
    public int[][] BlockTables { get; }

    /// <summary>Where its recurrent state is.</summary>
    public int StateSlot { get; }

    /// <summary>What linear maps add for its rows, if anything.</summary>
    public Adapter? Adapter { get; }

    /// <summary>Whether every row follows the one before it, so that there is no tree.</summary>
    public bool IsChain { get; private set; }

    internal void Append(bool isChain)
    {
        Count++;
        IsChain &= isChain;
    }
}
