using Sluice.Server.Api;
using static Sluice.Server.Reference.Field;

namespace Sluice.Server.Reference;

/// <summary>What the endpoints of the Responses API take and answer.</summary>
internal static class Responses
{
    private const string Tag = "Responses";

    public static Description Create => new(Tag, "Answers a conversation, which may go on from a stored response.")
    {
        Body =
        [
            CommonFields.Model,
            OneOf("input", "A text, or items: messages, calls of functions, what these gave, and reasoning.", Type("string"), ArrayOf(Type("object"))).Required(),
            Text("instructions", "A system message for this response alone."),
            Text("previous_response_id", "The stored response whose conversation goes on."),
            Flag("store", true, "Whether to keep the response, for a while."),
            Flag("stream", false, "Whether to answer with server-sent events as the tokens come."),
            Object("stream_options", "Only where stream is true.", Flag("include_obfuscation", false, "Must be false.")),
            Integer("max_output_tokens", 1, null, "The most tokens to generate; as many as the context has room for if absent."),
            .. CommonFields.Sampling,
            Object("text", "The form of the answer.", CommonFields.Format("format", isFlat: true)),
            Object("reasoning", "How the model thinks.", Text("effort", "How much; only where the model's chat template asks for it.")),
            .. CommonFields.Tools(isFlat: true),
            Map("metadata", Type("string"), "Told again with the response."),
            Choice("truncation", "Nothing is left out of a conversation.", "disabled"),
            Flag("background", false, "Must be false."),
            Array("include", Type("string"), "Must be empty."),
            Text("safety_identifier", "Who asks; nothing is done with it."),
            Text("prompt_cache_key", "Nothing is done with it: the cache is keyed by content."),
        ],
        Reply = ApiJson.Default.ResponseReply,
        Event = ApiJson.Default.ResponseEvent,
        Example = """{"input": "Tell me a story about a dragon.", "max_output_tokens": 64, "temperature": 0.7}""",
    };

    public static Description Get => new(Tag, "Tells a stored response.")
    {
        Parameters = new() { ["id"] = "The response." },
        Reply = ApiJson.Default.ResponseReply,
    };

    public static Description Delete => new(Tag, "Forgets a stored response.")
    {
        Parameters = new() { ["id"] = "The response." },
        Reply = ApiJson.Default.ResponseDeleted,
    };
}
