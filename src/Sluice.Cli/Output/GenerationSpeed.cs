using System.Diagnostics;

namespace Sluice.Cli.Output;

/// <summary>How fast a prompt was read and a text written.</summary>
internal sealed class GenerationSpeed(int promptTokens)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _first, _last;
    private int _count;
    private FinishReason? _finish;

    /// <summary>Counts a generated token.</summary>
    public void Count(in GeneratedToken token)
    {
        _last = Stopwatch.GetTimestamp();
        if (_count++ == 0)
            _first = _last;
        _finish = token.Finish;
    }

    /// <summary>The summary: the prompt's tokens up to the first token, then the others one by one.</summary>
    public override string ToString()
    {
        if (_count == 0)
            return $"prompt of {promptTokens} tokens; nothing generated";
        string prompt = $"prompt {promptTokens} tokens, {Rate(promptTokens, _start, _first)} tokens/s";
        string generation = _count == 1 ? "generated 1 token" : $"generated {_count} tokens, {Rate(_count - 1, _first, _last)} tokens/s";
        return $"{prompt}; {generation} ({Reason()})";
    }

    private string Reason() => _finish switch
    {
        FinishReason.EndOfText => "end of text",
        FinishReason.StopString => "stop string",
        FinishReason.Complete => "complete",
        FinishReason.MaxTokens => "--max-tokens",
        FinishReason.ContextFull => "context full",
        _ => "interrupted",
    };

    private static string Rate(int tokens, long from, long to) =>
        Numbers.Figure(tokens / Math.Max(1e-9, Stopwatch.GetElapsedTime(from, to).TotalSeconds));
}
