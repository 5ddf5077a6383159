using Sluice.Server.Api;
using static Sluice.Server.Reference.Field;

namespace Sluice.Server.Reference;

/// <summary>What the endpoints that generate text take and answer.</summary>
internal static class Completions
{
    private const string Tag = "Completions";

    public static Description Chat => new(Tag, "Answers a conversation.")
    {
        Body =
        [
            CommonFields.Model,
            CommonFields.Messages.Required(),
            .. CommonFields.Stream,
            Integer("max_completion_tokens", 1, null, "The most tokens to generate; as many as the context has room for if absent."),
            Integer("max_tokens", 1, null, "The older name of max_completion_tokens."),
            Integer("n", 1, 128, "How many answers; 1 if absent."),
            Flag("logprobs", false, "Whether to tell the log-probabilities of the answer's tokens."),
            Integer("top_logprobs", 0, 20, "How many of the likeliest tokens to tell at each place; only where logprobs is true."),
            .. CommonFields.Sampling,
            .. CommonFields.Prompt,
            Text("reasoning_effort", "How much to think before the answer; only where the model's chat template asks for it."),
            CommonFields.Format("response_format", isFlat: false),
            .. CommonFields.Grammars,
        ],
        Reply = ApiJson.Default.ChatReply,
        Event = ApiJson.Default.ChatReply,
        Example = """{"messages": [{"role": "user", "content": "Tell me a story about a dragon."}], "max_completion_tokens": 64, "temperature": 0.7}""",
        CSharp = """
            using System.ClientModel;
            using OpenAI;
            using OpenAI.Chat;

            OpenAIClientOptions options = new() { Endpoint = new Uri("SERVER/v1") };
            ChatClient client = new("MODEL", new ApiKeyCredential("KEY"), options);
            await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync("Tell me a story about a dragon."))
                foreach (ChatMessageContentPart part in update.ContentUpdate)
                    Console.Write(part.Text);
            """,
    };

    public static Description Text => new(Tag, "Continues texts or tokens.")
    {
        Body =
        [
            CommonFields.Model,
            OneOf("prompt", "A text, some token ids, or an array of either.",
                Type("string"), ArrayOf(Type("string")), ArrayOf(CommonFields.TokenId), ArrayOf(ArrayOf(CommonFields.TokenId))).Required(),
            .. CommonFields.Stream,
            Integer("max_tokens", 0, null, "The most tokens to generate, 16 if absent; 0 with echo alone, for the prompt's log-probabilities."),
            Integer("n", 1, 128, "How many answers to each prompt; 1 if absent."),
            Integer("best_of", 1, 128, "How many to generate, of which the n likeliest are told; n if absent."),
            Flag("echo", false, "Whether the answer begins with the prompt, and logprobs with the prompt's."),
            Integer("logprobs", 0, 20, "Whether to tell log-probabilities: of the tokens, and of so many of the likeliest at each place."),
            .. CommonFields.Sampling,
            CommonFields.Format("response_format", isFlat: false),
            .. CommonFields.Grammars,
        ],
        Reply = ApiJson.Default.CompletionReply,
        Event = ApiJson.Default.CompletionReply,
        Example = """{"prompt": "Once upon a time", "max_tokens": 64, "temperature": 0.7}""",
    };
}
