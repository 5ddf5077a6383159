using Sluice.Models;

namespace Sluice;

/// <summary>
/// A request for an embedding: its rows are pooled as steps compute them, in the order of the tokens, so that chunks and batches
/// change nothing.
/// </summary>
/// <remarks>
/// A row that was pooled is never wanted again, so what was computed before a request was set aside may be found in the cache later;
/// before that, only rows that the pooling leaves out may: none where it takes the mean or the first.
/// </remarks>
internal sealed class EmbeddingSequence(EmbeddingRequest request, Pooling pooling, int width, CancellationToken cancellation)
    : Sequence(request.Prompt, request.Priority, cancellation)
{
    private readonly double[] _sum = new double[width];
    private readonly TaskCompletionSource<Embedding> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _next = pooling == Pooling.Last ? request.Prompt.Count - 1 : 0; // the first token of which a row is still wanted

    /// <summary>The vector.</summary>
    public Task<Embedding> Result => _result.Task;

    public override int Reusable => Math.Min(_next, Length - 1);

    protected override bool WantsLogits(int index) => false;

    protected override bool WantsHidden(int index) => index >= _next && (pooling != Pooling.First || index == 0);

    protected override bool Receive(int first, int end, ref StepOutputs outputs)
    {
        for (int index = first; index < end; index++)
        {
            if (WantsHidden(index))
                Add(outputs.NextHidden());
        }
        _next = Math.Max(_next, end);
        if (Pending == 0)
            Finish(null);
        return false;
    }

    protected override void Complete(Exception? error)
    {
        if (error is OperationCanceledException)
            _result.TrySetCanceled(Cancellation);
        else if (error is not null)
            _result.TrySetException(error);
        else
            _result.TrySetResult(new Embedding(Normalized(), PromptTokens, CachedPromptTokens));
    }

    private void Add(ReadOnlySpan<float> row)
    {
        for (int i = 0; i < row.Length; i++)
            _sum[i] += row[i];
    }

    // A mean and a sum differ by their length alone.
    private float[] Normalized()
    {
        float[] values = Array.ConvertAll(_sum, value => (float)value);
        Embedding.Normalize(values);
        return values;
    }
}
