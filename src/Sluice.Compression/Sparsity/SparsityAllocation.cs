namespace Sluice.Compression;

/// <summary>How the sparsity of a layer is shared among its maps.</summary>
public enum SparsityAllocation
{
    /// <summary>Every map has the layer's.</summary>
    Uniform,

    /// <summary>A little at a time goes where it does least harm, by the error of each map's outputs (as in TEAL, by that of the layer's).</summary>
    Greedy,
}

/// <summary>A map of a layer: what it costs to read, and what sparsity does to its outputs.</summary>
/// <param name="Weights">Weights that a token reads.</param>
/// <param name="Errors">
/// At evenly spaced sparsities, the last of them 1 (all inputs zero): the squared error of the outputs over their squares.
/// </param>
internal sealed record SparseMap(double Weights, double[] Errors)
{
    /// <summary>The error at a sparsity, between two of those measured as far between their errors.</summary>
    public double ErrorAt(double sparsity)
    {
        double at = sparsity * Errors.Length;
        int below = Math.Min((int)at, Errors.Length - 1);
        double low = below == 0 ? 0 : Errors[below - 1];
        return low + ((Errors[below] - low) * (at - below));
    }

    /// <summary>
    /// The sparsity of each map of a layer at some levels of the layer's: from none on, each step makes as many weights unread as any other
    /// would, in the map where the error grows least.
    /// </summary>
    /// <param name="maps">The layer's maps.</param>
    /// <param name="levels">Levels, ascending.</param>
    /// <param name="most">The most that one map may have.</param>
    /// <returns>[levels][maps].</returns>
    public static double[][] Allocate(IReadOnlyList<SparseMap> maps, IReadOnlyList<float> levels, double most)
    {
        const double Step = 0.0025;
        double all = maps.Sum(map => map.Weights), done = 0;
        double[] sparsity = new double[maps.Count];
        double[][] found = new double[levels.Count][];
        for (int level = 0; level < levels.Count; level++)
        {
            while (done < levels[level] - 1e-9)
            {
                double step = Math.Min(Step, levels[level] - done);
                int best = -1;
                double least = double.PositiveInfinity, taken = 0;
                for (int i = 0; i < maps.Count; i++)
                {
                    double room = most - sparsity[i], more = Math.Min(step * all / maps[i].Weights, room);
                    if (room < 1e-9)
                        continue;
                    // By weight, for the last step of a map is shorter.
                    double harm = (maps[i].ErrorAt(sparsity[i] + more) - maps[i].ErrorAt(sparsity[i])) / (more * maps[i].Weights);
                    if (harm < least)
                        (best, least, taken) = (i, harm, more);
                }
                if (best < 0)
                    break;
                sparsity[best] += taken;
                done += taken * maps[best].Weights / all;
            }
            found[level] = [.. sparsity];
        }
        return found;
    }
}
