using Sluice.Sampling;

namespace Sluice.Extensions.AI;

/// <summary>How a model is run and talked with: for <c>services.AddSluice</c> and <see cref="SluiceChatClient"/>.</summary>
public sealed class SluiceOptions
{
    /// <summary>How the engine runs it; of no effect on an engine that is there already.</summary>
    public EngineOptions Engine { get; set; } = new();

    /// <summary>How conversations are written, where the model's own files say it wrongly or not at all.</summary>
    public Chat.ChatOptions Chat { get; set; } = new();

    /// <summary>How tokens are chosen, where a request does not say it.</summary>
    public SamplingOptions Sampling { get; set; } = new();

    /// <summary>What the model is called; null for the name of its file.</summary>
    public string? ModelId { get; set; }
}
