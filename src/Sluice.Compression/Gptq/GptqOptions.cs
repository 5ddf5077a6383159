namespace Sluice.Compression;

/// <summary>Choices of <see cref="Gptq"/>.</summary>
public sealed record GptqOptions
{
    /// <summary>What is added to the Gram matrix's diagonal, as a share of its mean.</summary>
    public float Damping { get; init; } = 0.01f;

    /// <summary>Whether the columns of the largest inputs are rounded first, so that others make up for their errors.</summary>
    public bool ActOrder { get; init; }

    /// <summary>
    /// Whether scales are fitted to the original weights, before any is rounded; else to the weights as they are when a group's turn comes.
    /// Stored blocks keep columns in their order, so for them <see cref="ActOrder"/> implies it.
    /// </summary>
    public bool StaticGroups { get; init; }
}
