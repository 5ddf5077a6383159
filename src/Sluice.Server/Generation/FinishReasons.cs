namespace Sluice.Server.Generation;

/// <summary>Why generations end, in the words of OpenAI's API.</summary>
internal static class FinishReasons
{
    public static string Name(FinishReason reason) =>
        reason is FinishReason.EndOfText or FinishReason.StopString or FinishReason.Complete ? "stop" : "length";
}
