using System.Text.Json;
using System.Text.RegularExpressions;
using Sluice.Chat;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>The fields that say which tools a model may call, and whether it must.</summary>
internal static partial class ToolFields
{
    private const int MaxTools = 128;

    /// <summary>Adds tools, tool_choice and parallel_tool_calls to a request.</summary>
    /// <param name="fields">What the client sent.</param>
    /// <param name="chat">The request so far.</param>
    /// <param name="isFlat">Whether a function's fields stand beside its type, as in the Responses API, or in an object of their own.</param>
    public static ChatRequest Read(RequestFields fields, ChatRequest chat, bool isFlat = false)
    {
        ChatTool[] tools = fields.Array("tools") is not { } array ? []
            : [.. array.EnumerateArray().Select((tool, i) => ReadTool(new RequestFields(tool, fields.Path($"tools[{i}]")), isFlat))];
        if (tools.Length > MaxTools)
            throw fields.Wrong("tools", $"an array of up to {MaxTools} tools");
        if (tools.GroupBy(tool => tool.Name).FirstOrDefault(same => same.Count() > 1)?.Key is { } twice)
            throw ApiException.Bad(fields.Path("tools"), $"{fields.Path("tools")} has two tools named '{twice}'.");
        (ToolMode mode, string? name) = ReadChoice(fields, isFlat);
        if (name is not null && tools.All(tool => tool.Name != name))
            throw ApiException.Bad(fields.Path("tool_choice"), $"tool_choice names '{name}', which is none of the tools.");
        if (mode == ToolMode.Required && tools.Length == 0)
            throw ApiException.Bad(fields.Path("tool_choice"), "tool_choice asks for a call, but there are no tools.");
        return chat with { Tools = tools, ToolMode = mode, ToolName = name, ParallelToolCalls = fields.Flag("parallel_tool_calls") ?? true };
    }

    private static ChatTool ReadTool(RequestFields fields, bool isFlat)
    {
        if (fields.Required(fields.Text("type"), "type") != "function")
            throw ApiException.Unsupported(fields.Path("type"), $"{fields.Path("type")} must be function: there are no other tools here.");
        RequestFields function = isFlat ? fields : fields.Required(fields.Object("function"), "function");
        string name = function.Required(function.Text("name"), "name");
        if (!Name().IsMatch(name))
            throw function.Wrong("name", "1 to 64 letters, digits, underscores, dots and hyphens");
        ChatTool tool = new(name)
        {
            Description = function.Text("description"),
            // The request's memory goes with it; a stored response needs the tools no more.
            Parameters = function.Any("parameters") is not { } schema ? null
                : schema.ValueKind == JsonValueKind.Object ? schema : throw function.Wrong("parameters", "a JSON schema"),
            IsStrict = function.Flag("strict") ?? false,
        };
        function.CheckAllRead();
        fields.CheckAllRead();
        return tool;
    }

    private static (ToolMode Mode, string? Name) ReadChoice(RequestFields fields, bool isFlat)
    {
        if (fields.Any("tool_choice") is not { } choice)
            return (ToolMode.Auto, null);
        if (choice.ValueKind == JsonValueKind.Object)
        {
            RequestFields named = new(choice, fields.Path("tool_choice"));
            if (named.Text("type") is not "function")
                throw ApiException.Unsupported(named.Path("type"), $"{named.Path("type")} must be function.");
            RequestFields function = isFlat ? named : named.Required(named.Object("function"), "function");
            string name = function.Required(function.Text("name"), "name");
            function.CheckAllRead();
            named.CheckAllRead();
            return (ToolMode.Required, name);
        }
        return fields.Text("tool_choice") switch
        {
            "auto" => (ToolMode.Auto, null),
            "none" => (ToolMode.None, null),
            "required" => (ToolMode.Required, null),
            _ => throw fields.Wrong("tool_choice", "auto, none, required, or an object that names a function"),
        };
    }

    [GeneratedRegex(@"^[\w.-]{1,64}\z", RegexOptions.ECMAScript)]
    private static partial Regex Name();
}
