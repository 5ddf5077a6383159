using System.Text.Json;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>Fields of OpenAI's API that Sluice knows and cannot serve yet: each refused in one place, to be replaced by its reading.</summary>
internal static class Unsupported
{
    /// <summary>Tools that the model may call.</summary>
    public static void Tools(RequestFields fields)
    {
        if (fields.Array("tools") is { } tools && tools.GetArrayLength() > 0)
            throw ApiException.Unsupported("tools", "tools are not supported yet.");
        if (fields.Any("tool_choice") is { } choice && !(choice.ValueKind == JsonValueKind.String && choice.GetString() is "none" or "auto"))
            throw ApiException.Unsupported("tool_choice", "tool_choice is not supported without tools.");
        _ = fields.Flag("parallel_tool_calls"); // says nothing without tools
    }
}
