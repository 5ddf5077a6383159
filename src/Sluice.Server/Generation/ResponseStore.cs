using Sluice.Tokenizers.Templates;

namespace Sluice.Server.Generation;

/// <summary>Answers of the Responses API that clients may ask for again or go on from, in memory: those not used for longest go first.</summary>
internal sealed class ResponseStore(long maxBytes)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<StoredResponse>> _byId = [];
    private readonly LinkedList<StoredResponse> _byUse = []; // the one used last is the last
    private long _bytes;

    /// <summary>Keeps a response; none that is larger than the store.</summary>
    public void Add(StoredResponse response)
    {
        lock (_lock)
        {
            if (response.Bytes > maxBytes)
                return;
            _byId.Add(response.Id, _byUse.AddLast(response));
            _bytes += response.Bytes;
            while (_bytes > maxBytes)
                Remove(_byUse.First!);
        }
    }

    public StoredResponse? Find(string id)
    {
        lock (_lock)
        {
            if (!_byId.TryGetValue(id, out LinkedListNode<StoredResponse>? node))
                return null;
            _byUse.Remove(node);
            _byUse.AddLast(node);
            return node.Value;
        }
    }

    /// <summary>Forgets a response.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Delete(string id)
    {
        lock (_lock)
        {
            if (!_byId.TryGetValue(id, out LinkedListNode<StoredResponse>? node))
                return false;
            Remove(node);
            return true;
        }
    }

    private void Remove(LinkedListNode<StoredResponse> node)
    {
        _byId.Remove(node.Value.Id);
        _byUse.Remove(node);
        _bytes -= node.Value.Bytes;
    }
}

/// <summary>A response that is kept.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Json">What was answered.</param>
/// <param name="Messages">The conversation with the answer, without the instructions, which hold for one response.</param>
internal sealed record StoredResponse(string Id, byte[] Json, IReadOnlyList<ChatMessage> Messages)
{
    /// <summary>About what it takes; messages that it shares with others count for each.</summary>
    public long Bytes { get; } = Json.Length + Messages.Sum(message =>
        200L + (2L * ((message.Content?.Length ?? 0) + (message.ReasoningContent?.Length ?? 0) + message.ToolCalls.Sum(call => call.Arguments.Length + 100))));
}
