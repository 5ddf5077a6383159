using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Grammars;
using Sluice.Grammars.Json;
using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Chat.Parsing;

/// <summary>What styles write the grammar of an answer with, so that its calls are always valid.</summary>
/// <param name="tokenizer">Whose control tokens marks may be.</param>
/// <param name="template">The model's chat template, by which variants of a style are told apart.</param>
/// <param name="tools">The tools that may be called.</param>
/// <param name="isParallel">Whether there may be several calls.</param>
/// <param name="mustFit">Whether the arguments of all tools must be as their schemas say, and not of strict ones only.</param>
internal sealed class AnswerSyntax(Tokenizer tokenizer, string template, IReadOnlyList<ChatTool> tools, bool isParallel, bool mustFit)
{
    /// <summary>Whether there are tools to call.</summary>
    public bool HasTools => tools.Count > 0;

    /// <summary>Whether the model's template has a text in it.</summary>
    public bool Knows(string text) => template.Contains(text, StringComparison.Ordinal);

    /// <summary>Texts and marks, one after the other.</summary>
    public Expression Text(params ReadOnlySpan<string> parts) => Expression.Then([.. parts.ToArray().Select(Mark)]);

    /// <summary>Any text that a mark does not occur in; what comes after it may be the mark.</summary>
    public Expression Without(params ReadOnlySpan<string> marks)
    {
        string[] texts = [.. marks.ToArray().Where(mark => !IsControl(mark))]; // control tokens are part of no text
        return texts.Length == 0 ? Utf8Bytes.AnyText
            : Product.TextWithout(Expression.Any([.. texts.Select(Expression.Text)]));
    }

    /// <summary>A call of any of the tools; several, if there may be.</summary>
    /// <param name="call">The call of one.</param>
    /// <param name="between">What stands between two.</param>
    public Expression Calls(Func<ChatTool, Expression> call, params ReadOnlySpan<string> between)
    {
        Expression one = OneCall(call);
        return isParallel ? Expression.Then(one, Expression.Then(Text(between), one).Times(0, int.MaxValue)) : one;
    }

    /// <summary>A call of any of the tools.</summary>
    public Expression OneCall(Func<ChatTool, Expression> call) => Expression.Any([.. tools.Select(call)]);

    /// <summary>Any text that does not begin with a character, be it after white space.</summary>
    public Expression NotBeginning(char first) => RegexParser.Parse($@"\s*(?:[^\s\{first}][\s\S]*)?", Utf8Bytes.Of, isSearch: false);

    /// <summary>A call as a JSON object.</summary>
    public Expression CallObject(ChatTool tool, string arguments) => Expression.Then(
        Expression.Text($$"""{"name": "{{tool.Name}}", "{{arguments}}": """), Arguments(tool), Expression.Text("}"));

    /// <summary>The arguments of a tool as JSON.</summary>
    /// <exception cref="GrammarException">Its schema is not one of an object, or has what is not supported.</exception>
    public Expression Arguments(ChatTool tool)
    {
        if (!MustFit(tool))
            return new JsonValues().Object;
        try
        {
            return JsonSchema.Compile(ObjectSchema(tool));
        }
        catch (GrammarException error)
        {
            throw new GrammarException($"The parameters of '{tool.Name}' cannot be kept to. {error.Message}");
        }
    }

    /// <summary>The arguments of a tool one by one, each as plain text or, where its type is another, as JSON.</summary>
    /// <param name="tool">The tool.</param>
    /// <param name="argument">Writes one, of its name and its value.</param>
    /// <param name="end">The mark that ends a value.</param>
    /// <exception cref="GrammarException">The schema is not one of an object, or has what is not supported.</exception>
    public Expression NamedArguments(ChatTool tool, Func<string, Expression, Expression> argument, string end)
    {
        JsonElement schema = ObjectSchema(tool);
        JsonElement properties = schema.TryGetProperty("properties", out JsonElement given) && given.ValueKind == JsonValueKind.Object
            ? given : JsonElement.Parse("{}");
        string[] required = schema.TryGetProperty("required", out JsonElement names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Select(name => name.ToString())] : [];
        return Expression.Then([.. properties.EnumerateObject().Select(property =>
        {
            Expression value = !MustFit(tool) ? Product.TextWithout(Expression.Text(end))
                : Parsing.NamedArguments.IsText(property.Value) ? PlainText(new Schema(property.Value, $"#/properties/{property.Name}"), end)
                : JsonSchema.Compile(schema, "properties", property.Name);
            Expression all = argument(property.Name, value);
            return MustFit(tool) && required.Contains(property.Name) ? all : all.Optional();
        })]);
    }

    private bool MustFit(ChatTool tool) => mustFit || tool.IsStrict;

    private Expression Mark(string text) => IsControl(text) ? Expression.ControlToken(text) : Expression.Text(text);

    private bool IsControl(string text) => tokenizer.TryGetId(text, out int id) && TokenTree.RoleOf(tokenizer, id) == TokenRole.Control;

    /// <summary>The schema of a tool's arguments: no schema, no arguments; and an object in any case.</summary>
    private static JsonElement ObjectSchema(ChatTool tool)
    {
        if (tool.Parameters is not { } schema)
            return JsonElement.Parse("""{"type":"object","properties":{},"additionalProperties":false}""");
        if (schema.ValueKind != JsonValueKind.Object)
            throw new GrammarException($"The parameters of '{tool.Name}' are no JSON schema.");
        if (!schema.TryGetProperty("type", out JsonElement type))
        {
            JsonObject typed = JsonObject.Create(schema)!;
            typed["type"] = "object";
            return JsonElement.Parse(typed.ToJsonString());
        }
        return type.ValueKind == JsonValueKind.String && type.ValueEquals("object") ? schema
            : throw new GrammarException($"The parameters of '{tool.Name}' must be of type object.");
    }

    private static Expression PlainText(Schema schema, string end)
    {
        // Where a value must be some way, it has no '<' or '[', so that no mark can be in it.
        CodePoints unmarked = CodePoints.All.Without(CodePoints.One(end.TrimStart()[0]));
        Expression? text = null;
        foreach (JsonProperty keyword in schema.Element.EnumerateObject())
        {
            switch (keyword.Name)
            {
                case "const":
                    And(Expression.Text(keyword.Value.ToString()));
                    break;
                case "enum":
                    And(Expression.Any([.. schema.Array("enum").Select(value => Expression.Text(value.Element.ToString()))]));
                    break;
                case "pattern":
                    foreach (string pattern in schema.Texts("pattern"))
                        And(RegexParser.Parse(pattern, Unmarked, isSearch: true));
                    break;
                case "format":
                    foreach (string format in schema.Texts("format"))
                        And(RegexParser.Parse(StringFormats.All.GetValueOrDefault(format) ?? throw schema.Unsupported("format", $"with the value '{format}'"), Unmarked, isSearch: false));
                    break;
                case "minLength":
                    And(Unmarked(CodePoints.All).Times(schema.Count("minLength")!.Value, int.MaxValue));
                    break;
                case "maxLength":
                    And(Unmarked(CodePoints.All).Times(0, schema.Count("maxLength")!.Value));
                    break;
                case "type" or "title" or "description" or "default" or "examples":
                    break;
                default:
                    throw schema.Unsupported(keyword.Name, "for texts in this model's style of calls");
            }
        }
        return text ?? Product.TextWithout(Expression.Text(end));

        Expression Unmarked(CodePoints set) => Utf8Bytes.Of(set.Without(unmarked.Inverse));

        void And(Expression more) => text = text is null ? more : Product.Both(text, more);
    }
}
