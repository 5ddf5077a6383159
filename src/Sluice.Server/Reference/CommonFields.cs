using static Sluice.Server.Reference.Field;

namespace Sluice.Server.Reference;

/// <summary>Fields that several endpoints take.</summary>
internal static class CommonFields
{
    public static Field Model => Text("model", "The model's name, as /v1/models tells it; the one that is served if absent.");

    public static Field[] Stream =>
    [
        Flag("stream", false, "Whether to answer with server-sent events as the tokens come."),
        Object("stream_options", "Only where stream is true.", Flag("include_usage", false, "Whether a last event tells the usage.")),
    ];

    public static Field[] Sampling =>
    [
        Texts("stop", "Up to 16 texts that end the answer; they are not part of it."),
        Number("temperature", 0, 100, 1, "Divides the logits: 0 takes the likeliest token always."),
        Number("top_p", 0, 1, 1, "Keeps the fewest likeliest tokens whose probabilities reach this sum."),
        Integer("top_k", -1, null, "Keeps this many of the likeliest tokens; 0 or -1: all."),
        Number("min_p", 0, 1, 0, "Keeps tokens at least this times as likely as the likeliest."),
        Number("typical_p", 0, 1, 1, "Keeps the tokens whose surprise is nearest to the expected one, up to this sum of probabilities."),
        Number("presence_penalty", -2, 2, 0, "Subtracted from the logits of tokens that were generated."),
        Number("frequency_penalty", -2, 2, 0, "Subtracted from the logits of tokens, for each time they were generated."),
        Number("repetition_penalty", 0.01, 100, 1, "Divides positive logits of tokens in the prompt and the answer, multiplies negative ones."),
        new("seed", new() { ["type"] = "integer", ["format"] = "int64" }, "Where the random numbers start: the same seed gives the same answer."),
        Map("logit_bias", Type("number"), "Added to the logits of token ids, from -100 (never) to 100."),
        Flag("ignore_eos", false, "Whether to go on after a token that ends a text."),
        Integer("priority", -1_000_000, null, "Lower goes first, where the server's policy is priority."),
        Text("user", "Who asks; nothing is done with it."),
    ];

    public static Field Messages => Array("messages", ObjectOf(
        Choice("role", "Who speaks.", "system", "developer", "user", "assistant", "tool").Required(),
        OneOf("content", "What is said: a text, or parts of one.", Type("string"), ArrayOf(ObjectOf(
            Choice("type", "What it is.", "text").Required(), Text("text", "The text.").Required()))),
        Text("name", "The speaker's name."),
        Text("tool_call_id", "Which call a tool's message answers."),
        Text("reasoning_content", "What the assistant thought before it answered."),
        Array("tool_calls", ObjectOf(
            Text("id", "The call's id."),
            Choice("type", "What is called.", "function"),
            Object("function", "The call.", Text("name", "The function.").Required(), Text("arguments", "Its arguments, as JSON.")).Required()),
            "The calls that the assistant made.")), "The conversation so far, at least one message.");

    /// <summary>What makes a conversation's prompt, besides its messages.</summary>
    public static Field[] Prompt =>
    [
        Map("chat_template_kwargs", [], "Variables for the model's chat template."),
        .. Tools(isFlat: false),
    ];

    /// <summary>The form of an answer.</summary>
    /// <param name="name">The field's name.</param>
    /// <param name="isFlat">Whether a schema's fields stand beside its type, as in the Responses API.</param>
    public static Field Format(string name, bool isFlat)
    {
        Field type = Choice("type", "Any text, any JSON object, or JSON of a schema.", "text", "json_object", "json_schema").Required();
        Field[] schema =
        [
            Text("name", "The schema's name.").Required(),
            Text("description", "What it is for."),
            Map("schema", [], "The JSON schema.").Required(),
            Flag("strict", true, "Says nothing: a schema always holds."),
        ];
        return isFlat ? Object(name, "The form of the answer.", [type, .. schema.Select(field => field with { IsRequired = false })])
            : Object(name, "The form of the answer.", type, Object("json_schema", "Only where type is json_schema.", schema));
    }

    /// <summary>Other ways to say what an answer must look like, of which a request has one at most.</summary>
    public static Field[] Grammars =>
    [
        Object("structured_outputs", "The form of the answer, as vLLM writes it: one of these.",
            OneOf("json", "A JSON schema, or its text.", Type("object"), Type("string")), Text("regex", "A regular expression."),
            Text("grammar", "A grammar in GBNF."), Array("choice", Type("string"), "Texts of which the answer is one."),
            Flag("json_object", false, "Any JSON object.")),
        Text("grammar", "The form of the answer as a grammar in GBNF."),
        OneOf("json_schema", "The form of the answer as a JSON schema, or its text.", Type("object"), Type("string")),
    ];

    public static Field[] Tools(bool isFlat)
    {
        Field type = Choice("type", "There are only functions.", "function").Required();
        Field[] function =
        [
            Text("name", "Of up to 64 letters, digits, underscores, dots and hyphens.").Required(),
            Text("description", "What it does."),
            Map("parameters", [], "The JSON schema of its arguments."),
            Flag("strict", false, "Whether a call's arguments must satisfy the schema."),
        ];
        Field name = Text("name", "The function.").Required();
        return
        [
            Array("tools", isFlat ? ObjectOf([type, .. function]) : ObjectOf(type, Object("function", "The function.", function).Required()),
                "The functions that the model may ask to be called, up to 128."),
            OneOf("tool_choice", "Whether it may, must not, or must call one; or the one that it must.", new System.Text.Json.Nodes.JsonObject
            {
                ["type"] = "string",
                ["enum"] = new System.Text.Json.Nodes.JsonArray("auto", "none", "required"),
            }, isFlat ? ObjectOf(type, name) : ObjectOf(type, Object("function", "The function.", name).Required())),
            Flag("parallel_tool_calls", true, "Whether an answer may have several calls."),
        ];
    }

    public static Field Tokens(string name, string about) => Array(name, TokenId, about);

    public static System.Text.Json.Nodes.JsonObject TokenId => new() { ["type"] = "integer", ["minimum"] = 0 };
}
