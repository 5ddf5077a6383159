using System.Text.Json;
using Microsoft.Extensions.AI;
using Sluice.Chat;
using Sluice.Grammars;
using Sluice.Sampling;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Sluice.Extensions.AI;

/// <summary>Makes requests of conversations and options.</summary>
/// <param name="client">Who is asked.</param>
/// <param name="model">The model that answers.</param>
/// <param name="name">What it is called.</param>
/// <param name="template">What a request is that says nothing.</param>
internal sealed class ChatRequests(IChatClient client, ChatModel model, ModelName name, Request template)
{
    private const string Effort = "reasoning_effort", Thinking = "enable_thinking"; // variables of templates

    private readonly GrammarCache _grammars = new();

    public ChatRequest Of(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        options ??= new ChatOptions();
        if (options.ConversationId is not null)
            throw new NotSupportedException("ConversationId is not supported: conversations are not kept, so send all messages.");
        return new ChatRequest
        {
            Messages = ChatMessages.Of(messages, options.Instructions),
            Tools = [.. (options.Tools ?? []).Select(Tool)],
            ToolMode = options.ToolMode switch
            {
                null or AutoChatToolMode => ToolMode.Auto,
                NoneChatToolMode => ToolMode.None,
                RequiredChatToolMode => ToolMode.Required,
                var other => throw new NotSupportedException($"The tool mode {other.GetType().Name} is not supported."),
            },
            ToolName = (options.ToolMode as RequiredChatToolMode)?.RequiredFunctionName,
            ParallelToolCalls = options.AllowMultipleToolCalls ?? true,
            TemplateVariables = [.. Variables(options.AdditionalProperties), .. Variables(options.Reasoning)],
            Generation = Generation(options),
        };
    }

    private Request Generation(ChatOptions options)
    {
        Request request = options.RawRepresentationFactory?.Invoke(client) switch
        {
            null => template,
            Request given => given,
            var other => throw new NotSupportedException($"RawRepresentationFactory made a {other.GetType()}, which is no {typeof(Request)}."),
        };
        SamplingOptions sampling = request.Sampling with
        {
            Temperature = options.Temperature ?? request.Sampling.Temperature,
            TopP = options.TopP ?? request.Sampling.TopP,
            TopK = options.TopK ?? request.Sampling.TopK,
            Seed = (ulong?)options.Seed ?? request.Sampling.Seed,
        };
        if (options.PresencePenalty is not null || options.FrequencyPenalty is not null)
        {
            // As OpenAI's API defines them.
            sampling = sampling with
            {
                PresencePenalty = options.PresencePenalty ?? 0,
                FrequencyPenalty = options.FrequencyPenalty ?? 0,
                PenaltyWindow = -1,
                PenalizePrompt = false,
            };
        }
        return request with
        {
            Sampling = sampling,
            Adapter = name.Adapter(options.ModelId, request.Adapter),
            MaxTokens = options.MaxOutputTokens ?? request.MaxTokens,
            Stop = options.StopSequences is { } stop ? [.. stop] : request.Stop,
            Grammar = options.ResponseFormat switch
            {
                null or ChatResponseFormatText => request.Grammar,
                ChatResponseFormatJson { Schema: null } => Grammar.JsonObject,
                ChatResponseFormatJson { Schema: { } schema } => _grammars.Get("schema", schema.GetRawText(), Grammar.FromJsonSchema),
                var other => throw new NotSupportedException($"The response format {other.GetType().Name} is not supported."),
            },
        };
    }

    private static ChatTool Tool(AITool tool) => tool is not AIFunctionDeclaration function
        ? throw new NotSupportedException($"The tool '{tool.Name}' ({tool.GetType().Name}) is not supported: only functions are.")
        : new ChatTool(function.Name)
        {
            Description = function.Description,
            Parameters = function.JsonSchema.ValueKind == JsonValueKind.Object ? function.JsonSchema : null,
            IsStrict = function.AdditionalProperties.TryGetValue("strict", out object? strict) && strict is true,
        };

    private IEnumerable<KeyValuePair<string, object?>> Variables(AdditionalPropertiesDictionary? properties)
    {
        foreach (KeyValuePair<string, object?> property in properties ?? [])
        {
            yield return model.TakesVariable(property.Key) ? property
                : throw new NotSupportedException($"The additional property '{property.Key}' is not supported: the model's chat template does not ask for it.");
        }
    }

    /// <summary>How much the model is to think, where its template can tell it.</summary>
    private IEnumerable<KeyValuePair<string, object?>> Variables(ReasoningOptions? reasoning)
    {
        if (reasoning?.Effort is not { } effort)
            return [];
        if (effort != ReasoningEffort.None && model.TakesVariable(Effort))
            return [new(Effort, effort switch { ReasoningEffort.Low => "low", ReasoningEffort.Medium => "medium", _ => "high" })];
        return model.TakesVariable(Thinking) ? [new(Thinking, effort != ReasoningEffort.None)]
            : throw new NotSupportedException($"The reasoning effort {effort} is not supported: the model's chat template does not ask for it.");
    }
}
