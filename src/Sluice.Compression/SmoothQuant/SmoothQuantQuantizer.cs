using Sluice.Files;

namespace Sluice.Compression;

/// <summary>Smooths a model by <see cref="SmoothQuant"/>, folding the scales into what comes before, and then rounds to nearest.</summary>
public static class SmoothQuantQuantizer
{
    /// <summary>Searches the scales of all layers.</summary>
    /// <param name="file">The model.</param>
    /// <param name="calibrator">The statistics of the inputs, with samples.</param>
    /// <param name="rounding">How activations will be rounded.</param>
    public static ITensorQuantizer Create(ModelFile file, Calibrator calibrator, ActivationRounding rounding = ActivationRounding.PerGroup)
    {
        FoldedFactors factors = FoldedFactors.Search(file, calibrator, _ => null, (pair, consumers) =>
            SmoothQuant.Search(calibrator.Pool, consumers, pair.Count, pair.FactorOf, rounding).Scales);
        return new FoldingQuantizer(factors, new NearestQuantizer());
    }
}
