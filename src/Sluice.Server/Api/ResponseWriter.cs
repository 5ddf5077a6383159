using System.Text;
using Sluice.Chat;

namespace Sluice.Server.Api;

/// <summary>Makes the items of a response out of an answer's deltas, and the events that tell of them.</summary>
/// <param name="send">Takes the events; null where nobody listens.</param>
internal sealed class ResponseWriter(Func<ResponseEvent, Task>? send)
{
    private readonly List<ResponseItem> _items = []; // the last is under way while _kind says so
    private readonly StringBuilder _text = new();
    private Type? _kind; // of the delta that began the item under way
    private int _sequence;

    private static readonly ResponsePart Output = new("output_text", "") { Annotations = [], Logprobs = [] };

    private static readonly ResponsePart Thought = new("reasoning_text", "");

    public ResponseItem[] Items => [.. _items];

    /// <summary>Tells of the response as a whole.</summary>
    public Task SendAsync(string type, ResponseReply response) => SendAsync(new ResponseEvent { Type = type, Response = response });

    public async Task AddAsync(ChatDelta delta)
    {
        switch (delta)
        {
            case ContentDelta content:
                if (_kind != typeof(ContentDelta))
                {
                    await BeginAsync(delta, new() { Type = "message", Id = ApiContext.NewId("msg_"), Status = "in_progress", Role = ChatFormat.Assistant, Content = [] });
                    await PartAsync("response.content_part.added", Output);
                }
                _text.Append(content.Text);
                await SendAsync(OfPart("response.output_text.delta") with { Delta = content.Text, Logprobs = [] });
                break;
            case ReasoningDelta reasoning:
                if (_kind != typeof(ReasoningDelta))
                {
                    await BeginAsync(delta, new() { Type = "reasoning", Id = ApiContext.NewId("rs_"), Status = "in_progress", Summary = [], Content = [] });
                    await PartAsync("response.content_part.added", Thought);
                }
                _text.Append(reasoning.Text);
                await SendAsync(OfPart("response.reasoning_text.delta") with { Delta = reasoning.Text });
                break;
            case ToolCallStart call:
                await BeginAsync(delta, new()
                {
                    Type = "function_call",
                    Id = ApiContext.NewId("fc_"),
                    Status = "in_progress",
                    CallId = call.Id,
                    Name = call.Name,
                    Arguments = "",
                });
                break;
            case ToolArgumentsDelta arguments:
                _text.Append(arguments.Text);
                await SendAsync(OfItem("response.function_call_arguments.delta") with { Delta = arguments.Text });
                break;
            case AnswerEnd end:
                await EndAsync(end.Finish == ChatFinish.Length ? "incomplete" : "completed");
                break;
        }
    }

    private async Task BeginAsync(ChatDelta first, ResponseItem item)
    {
        await EndAsync("completed");
        _kind = first.GetType();
        _items.Add(item);
        await SendAsync(new ResponseEvent { Type = "response.output_item.added", OutputIndex = _items.Count - 1, Item = item });
    }

    private async Task EndAsync(string status)
    {
        if (_kind is null)
            return;
        string text = _text.ToString();
        ResponseItem item = _items[^1] with { Status = status };
        if (_kind == typeof(ToolCallStart))
        {
            item = item with { Arguments = text };
            await SendAsync(OfItem("response.function_call_arguments.done") with { Name = item.Name, Arguments = text });
        }
        else
        {
            bool isOutput = _kind == typeof(ContentDelta);
            ResponsePart part = (isOutput ? Output : Thought) with { Text = text };
            item = item with { Content = [part] };
            await SendAsync(isOutput
                ? OfPart("response.output_text.done") with { Text = text, Logprobs = [] }
                : OfPart("response.reasoning_text.done") with { Text = text });
            await PartAsync("response.content_part.done", part);
        }
        _items[^1] = item;
        await SendAsync(new ResponseEvent { Type = "response.output_item.done", OutputIndex = _items.Count - 1, Item = item });
        _text.Clear();
        _kind = null;
    }

    private ResponseEvent OfItem(string type) => new() { Type = type, OutputIndex = _items.Count - 1, ItemId = _items[^1].Id };

    private ResponseEvent OfPart(string type) => OfItem(type) with { ContentIndex = 0 };

    private Task PartAsync(string type, ResponsePart part) => SendAsync(OfPart(type) with { Part = part });

    private Task SendAsync(ResponseEvent told) => send is null ? Task.CompletedTask : send(told with { SequenceNumber = _sequence++ });
}
