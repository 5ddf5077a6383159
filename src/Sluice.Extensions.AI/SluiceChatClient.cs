using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Sluice.Chat;
using Sluice.Tokenizers.Templates;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Sluice.Extensions.AI;

/// <summary>A model of an <see cref="Engine"/>, in this process, to talk with. Several threads may use it at once: their requests share steps.</summary>
/// <remarks>
/// <para>
/// What a request asks for and Sluice does not have is refused with a <see cref="NotSupportedException"/> that names it; nothing is
/// ignored. <see cref="ChatOptions.AdditionalProperties"/> are variables of the model's chat template. What those options have no name for
/// (a regular expression, <c>MinP</c>, ...) is set with a <see cref="ChatOptions.RawRepresentationFactory"/> that returns a <see cref="Request"/>.
/// </para>
/// <para>
/// Tools are not called here but by whoever wraps it, as <c>client.AsBuilder().UseFunctionInvocation().Build()</c> does.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using Engine engine = Engine.Load("model.gguf");
/// IChatClient client = new SluiceChatClient(engine);
/// await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Hello!"))
///     Console.Write(update.Text);
/// </code>
/// </example>
public sealed class SluiceChatClient : IChatClient
{
    private readonly Engine _engine;
    private readonly ChatModel _model;
    private readonly ChatRequests _requests;
    private readonly ChatClientMetadata _metadata;

    /// <param name="engine">What runs the model; whoever loaded it disposes it.</param>
    /// <param name="options">How to talk with it; default options if null.</param>
    /// <exception cref="NotSupportedException">The model has no vocabulary.</exception>
    /// <exception cref="ArgumentException">An option names what there is not.</exception>
    /// <exception cref="TemplateException">The model's template is not valid.</exception>
    public SluiceChatClient(Engine engine, SluiceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        options ??= new SluiceOptions();
        options.Sampling.Validate();
        _engine = engine;
        _model = new ChatModel(engine, options.Chat);
        ModelName name = new(engine, options);
        _metadata = new ChatClientMetadata("sluice", null, name.Value);
        _requests = new ChatRequests(this, _model, name, new Request { Prompt = [], Sampling = options.Sampling });
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Something is asked for that Sluice does not have; the message names it.</exception>
    /// <exception cref="ArgumentException">The request makes no sense, or is too long for the context.</exception>
    /// <exception cref="TemplateException">The model's template does not take such a conversation.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Something is asked for that Sluice does not have; the message names it.</exception>
    /// <exception cref="ArgumentException">The request makes no sense, or is too long for the context.</exception>
    /// <exception cref="TemplateException">The model's template does not take such a conversation.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync(messages, options, cancellationToken);
    }

    /// <summary>Finds the <see cref="Engine"/>, the <see cref="ChatModel"/>, the <see cref="ChatClientMetadata"/> or this client.</summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, _metadata, _engine, _model];
        return serviceKey is null ? services.FirstOrDefault(serviceType.IsInstanceOfType) : null;
    }

    /// <summary>Does nothing: the engine belongs to whoever loaded it.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        PreparedChat chat = _model.Prepare(_requests.Of(messages, options), cancellation);
        AnswerReader reader = chat.Reader(wholeCalls: true);
        bool showsReasoning = options?.Reasoning?.Output != ReasoningOutput.None;
        string id = Guid.NewGuid().ToString("N");
        DateTimeOffset created = DateTimeOffset.UtcNow;
        await foreach (GeneratedToken token in _engine.Generate(chat.Request, cancellation).ConfigureAwait(false))
        {
            IReadOnlyList<ChatDelta> deltas = reader.Read(token);
            List<AIContent> contents = [.. ChatContents.Of(deltas).Where(content => showsReasoning || content is not TextReasoningContent)];
            AnswerEnd? end = deltas.LastOrDefault() as AnswerEnd;
            if (end is not null)
                contents.Add(new UsageContent(Count(chat.Request, end, token.Completion)));
            if (contents.Count > 0)
                yield return new ChatResponseUpdate(ChatRole.Assistant, contents)
                {
                    ResponseId = id,
                    MessageId = id,
                    CreatedAt = created,
                    ModelId = chat.Request.Adapter ?? _metadata.DefaultModelId,
                    FinishReason = end is null ? null : ChatContents.Reason(end.Finish),
                };
            if (end is not null)
                break;
        }
    }

    private static UsageDetails Count(Request request, AnswerEnd end, Completion? completion) => new()
    {
        InputTokenCount = request.Prompt.Count,
        CachedInputTokenCount = completion?.CachedPromptTokens,
        OutputTokenCount = end.GeneratedTokens,
        ReasoningTokenCount = end.ReasoningTokens,
        TotalTokenCount = request.Prompt.Count + end.GeneratedTokens,
    };
}
