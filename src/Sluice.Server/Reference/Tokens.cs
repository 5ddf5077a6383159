using Sluice.Server.Api;
using static Sluice.Server.Reference.Field;

namespace Sluice.Server.Reference;

/// <summary>What the endpoints of the tokenizer and the chat template take and answer.</summary>
internal static class Tokens
{
    private const string Tag = "Tokens";

    public static Description Tokenize => new(Tag, "Makes tokens of a text or a conversation.")
    {
        Body =
        [
            CommonFields.Model,
            Text("prompt", "The text, where there are no messages."),
            CommonFields.Messages,
            .. CommonFields.Prompt.Select(one => one with { About = "With messages. " + one.About }),
            Flag("add_special_tokens", true, "With a prompt. Whether to add the tokens that the model wants around a text."),
            Flag("return_token_strs", false, "Whether to tell the tokens as the vocabulary writes them, too."),
        ],
        Reply = ApiJson.Default.TokenizeReply,
        Example = """{"prompt": "Once upon a time", "return_token_strs": true}""",
    };

    public static Description Detokenize => new(Tag, "Makes a text of tokens.")
    {
        Body = [CommonFields.Model, CommonFields.Tokens("tokens", "The ids.").Required()],
        Reply = ApiJson.Default.DetokenizeReply,
        Example = """{"tokens": [1, 2, 3]}""",
    };

    public static Description ApplyTemplate => new(Tag, "Writes a conversation as the model reads it.")
    {
        Body =
        [
            CommonFields.Model,
            CommonFields.Messages.Required(),
            .. CommonFields.Prompt,
        ],
        Reply = ApiJson.Default.ApplyTemplateReply,
        Example = """{"messages": [{"role": "user", "content": "Hello"}]}""",
    };
}
