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
        FoldedFactors factors = new(file);
        foreach (FoldPair pair in FoldPair.Find(file))
        {
            float[] all = new float[pair.Experts * pair.Count];
            for (int expert = 0; expert < pair.Experts; expert++)
            {
                FoldConsumer[] consumers = FoldConsumer.Of(pair, expert, calibrator, _ => null);
                SmoothQuant.Search(calibrator.Pool, consumers, pair.Count, pair.FactorOf, rounding).Scales.CopyTo(all, expert * pair.Count);
            }
            factors.Fold(pair, all);
        }
        return new FoldingQuantizer(factors, new NearestQuantizer());
    }
}
