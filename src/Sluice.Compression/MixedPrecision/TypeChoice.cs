using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>A type that a tensor may get.</summary>
/// <param name="Format">The type.</param>
/// <param name="Bytes">What the tensor then takes.</param>
/// <param name="Loss">What it then costs: the Kullback-Leibler divergence, in nats a token, of the model with this tensor alone quantized.</param>
public sealed record TypeChoice(WeightFormat Format, long Bytes, double Loss);

/// <summary>A tensor and the types that it may get.</summary>
/// <param name="Tensor">The tensor as it is stored.</param>
/// <param name="Choices">At least one; the smaller first, each of less loss than the one before.</param>
public sealed record TensorChoices(TensorInfo Tensor, IReadOnlyList<TypeChoice> Choices);
