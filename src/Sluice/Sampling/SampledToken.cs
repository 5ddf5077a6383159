namespace Sluice.Sampling;

/// <summary>A token and how likely the model found it.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">
/// Natural logarithm of its probability in the model's own distribution: before bias, penalties, filters and temperature.
/// NaN where <see cref="SamplingOptions.LogProbs"/> did not ask for it.
/// </param>
public readonly record struct SampledToken(int Id, float LogProbability);
