using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// Finds what it costs to quantize each tensor of a model to each type, alone: the Kullback-Leibler divergence of the model's predictions on
/// held-out text. Tensors are exchanged in the loaded model (<see cref="SubstitutingOps"/>).
/// </summary>
/// <param name="plan">The model; types are found for its free tensors.</param>
/// <param name="calibrator">Holds some text out.</param>
/// <param name="method">Rounds the tensors; one that changes no tensor but the one it is given.</param>
/// <param name="options">Choices.</param>
/// <param name="addsImportance">Whether the plan's importance matrix is to be filled on the way.</param>
internal sealed class SensitivityMeter(
    QuantizationPlan plan, Calibrator calibrator, ITensorQuantizer method, MixedPrecisionOptions options, bool addsImportance)
{
    private readonly RoundingError _errors = new(calibrator, method, plan.Options);

    /// <summary>Measures.</summary>
    /// <param name="reference">What the model predicts.</param>
    /// <param name="progress">Told what is done, and which share of it.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="InvalidDataException">A weight is no finite number; the message names the tensor.</exception>
    public IReadOnlyList<TensorChoices> Measure(ReferencePredictions reference, Action<string, float>? progress, CancellationToken cancellation)
    {
        // In the order of the forward pass, so that statistics of inputs are gathered once.
        List<string> order = [.. calibrator.Tensors];
        TensorInfo[] tensors = [.. plan.Tensors.Where(tensor => tensor.IsFree).Select(tensor => tensor.Tensor).OrderBy(tensor => order.IndexOf(tensor.Name))];
        List<TensorChoices> result = [];
        foreach (TensorInfo tensor in tensors)
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Invoke($"Sensitivity of {tensor.Name}", (float)result.Count / tensors.Length);
            if (addsImportance)
                AddImportance(tensor);
            result.Add(new TensorChoices(tensor, Measure(tensor, reference, cancellation)));
        }
        return result;
    }

    private void AddImportance(TensorInfo tensor)
    {
        for (int matrix = 0; matrix < MatrixToQuantize.CountOf(tensor); matrix++)
        {
            if (calibrator.Find(tensor.Name, matrix) is { } inputs)
                plan.Options.Importance!.Entry(tensor.Name, inputs.Columns, MatrixToQuantize.CountOf(tensor)).Add(inputs, matrix);
        }
    }

    private List<TypeChoice> Measure(TensorInfo tensor, ReferencePredictions reference, CancellationToken cancellation)
    {
        WeightFormat[] formats = [.. options.Types.Select(type => TypeMix.Fit(type, tensor.Shape[0])).Distinct()];
        List<(WeightFormat Format, double Error)> candidates = Best([.. formats.Zip(_errors.Of(tensor, formats))]);
        double Loss(WeightFormat format) => Divergence(tensor, format, reference, cancellation);
        if (options.Sensitivity == Sensitivity.Kl)
            return Best([.. candidates.Select(candidate => (candidate.Format, Loss(candidate.Format)))]).ConvertAll(Choice);
        (WeightFormat probe, double error) = candidates.MinBy(candidate => Math.Abs(candidate.Format.BitsPerWeight - options.ProbeBits));
        double weight = error > 0 ? Loss(probe) / error : 0;
        return candidates.ConvertAll(candidate => Choice((candidate.Format, weight * candidate.Error)));

        TypeChoice Choice((WeightFormat Format, double Loss) candidate) => new(candidate.Format, candidate.Format.Bytes(tensor.Count), candidate.Loss);
    }

    /// <summary>Those that no other betters in both size and loss, the smaller first.</summary>
    private static List<(WeightFormat Format, double Loss)> Best((WeightFormat Format, double Loss)[] candidates)
    {
        List<(WeightFormat Format, double Loss)> best = [];
        foreach ((WeightFormat Format, double Loss) candidate in candidates.OrderBy(candidate => candidate.Format.BitsPerWeight).ThenBy(candidate => candidate.Loss))
        {
            if (best.Count == 0 || candidate.Loss < best[^1].Loss)
                best.Add(candidate);
        }
        return best;
    }

    private double Divergence(TensorInfo tensor, WeightFormat format, ReferencePredictions reference, CancellationToken cancellation)
    {
        byte[] bytes = ModelQuantizer.Encode(plan, new TensorPlan(tensor, format), method, cancellation);
        int columns = (int)tensor.Shape[0], experts = MatrixToQuantize.CountOf(tensor);
        calibrator.Weights.Substitute(WeightData.FromBytes(tensor.Name, format, columns, (int)(tensor.Count / columns / experts), experts, bytes));
        try
        {
            // Rounding can make it a little less than 0.
            return Math.Max(0, reference.Measure(calibrator.Runner, cancellation).Mean);
        }
        finally
        {
            calibrator.Weights.Restore(tensor.Name);
        }
    }
}
