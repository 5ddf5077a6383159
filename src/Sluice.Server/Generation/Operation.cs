namespace Sluice.Server.Generation;

/// <summary>What an endpoint asks the model for.</summary>
/// <param name="Name">As OpenTelemetry's gen_ai.operation.name calls it.</param>
/// <param name="PromptField">The field of the request that holds what the model reads.</param>
internal sealed record Operation(string Name, string PromptField)
{
    public static Operation Chat { get; } = new("chat", "messages");

    public static Operation Response { get; } = new("chat", "input");

    public static Operation Embedding { get; } = new("embeddings", "input");

    public static Operation Completion { get; } = new("text_completion", "prompt");
}
