namespace Sluice.Compression;

/// <summary>The values that a group of weights may take: <c>Scale * code + Min</c>.</summary>
/// <param name="Scale">From one code's value to the next; 0 where all weights are 0.</param>
/// <param name="Min">The value of code 0.</param>
public readonly record struct Step(float Scale, float Min);
