using System.Text.Json;

namespace Sluice.Chat;

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Its name.</param>
public sealed record ChatTool(string Name)
{
    /// <summary>What it does, for the model.</summary>
    public string? Description { get; init; }

    /// <summary>The JSON schema of its arguments, an object; null for any.</summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>Whether the arguments must be as the schema says.</summary>
    public bool IsStrict { get; init; }
}

/// <summary>Whether a model calls tools.</summary>
public enum ToolMode
{
    /// <summary>As it likes.</summary>
    Auto,

    /// <summary>Not at all: it is not told of any.</summary>
    None,

    /// <summary>It must.</summary>
    Required,
}
