namespace Sluice.Files;

/// <summary>
/// Below which magnitude inputs of a model's linear maps may count as zero (activation sparsity; Liu et al. 2024, TEAL): for each map a
/// threshold at each of some levels of sparsity of the whole, as calibration found them. A file keeps them in its metadata.
/// </summary>
/// <remarks>
/// <c>sluice.activation_sparsity.level</c>: the level that the model is meant to run at; <c>.levels</c> [levels]; <c>.tensors</c> [maps]: names;
/// <c>.thresholds</c> [maps, levels]; <c>.shares</c> [maps, levels]: which share of the inputs was below.
/// </remarks>
public sealed class ActivationThresholds
{
    private const string Prefix = "sluice.activation_sparsity.";

    private readonly float[] _levels;
    private readonly OrderedDictionary<string, (float[] Thresholds, float[] Shares)> _maps;

    /// <summary>Of thresholds that were found.</summary>
    /// <param name="level">The level that the model is meant to run at.</param>
    /// <param name="levels">The levels, above 0 and below 1, ascending.</param>
    /// <param name="maps">For each map, by its tensor's name, thresholds and shares at each level.</param>
    /// <param name="source">The file, for messages.</param>
    /// <exception cref="InvalidDataException">Counts or values make no sense; the message says which.</exception>
    public ActivationThresholds(
        float level, float[] levels, OrderedDictionary<string, (float[] Thresholds, float[] Shares)> maps, string source = "Thresholds")
    {
        (Level, _levels, _maps) = (level, levels, maps);
        for (int i = 0; i < levels.Length; i++)
        {
            if (!(levels[i] > (i == 0 ? 0 : levels[i - 1]) && levels[i] < 1))
                throw new InvalidDataException($"{source}: {Prefix}levels do not ascend from 0 to 1.");
        }
        if (levels.Length == 0 || maps.Count == 0)
            throw new InvalidDataException($"{source}: {Prefix}levels or .tensors is empty.");
        if (!(level >= 0 && level <= levels[^1]))
            throw new InvalidDataException($"{source}: {Prefix}level is {level}, not within 0 to {levels[^1]}.");
        foreach ((string tensor, (float[] thresholds, float[] shares)) in maps)
        {
            if (thresholds.Length != levels.Length || shares.Length != levels.Length)
                throw new InvalidDataException($"{source}: '{tensor}' has {thresholds.Length} thresholds and {shares.Length} shares for {levels.Length} levels.");
            for (int i = 0; i < levels.Length; i++)
            {
                if (!float.IsFinite(thresholds[i]) || thresholds[i] < (i == 0 ? 0 : thresholds[i - 1]) || !(shares[i] is >= 0 and <= 1))
                    throw new InvalidDataException($"{source}: the thresholds of '{tensor}' are no ascending magnitudes, or its shares no shares.");
            }
        }
    }

    /// <summary>The level that the model is meant to run at.</summary>
    public float Level { get; }

    /// <summary>The highest level.</summary>
    public float HighestLevel => _levels[^1];

    /// <summary>The maps that have thresholds, by their tensors' names.</summary>
    public IEnumerable<string> Tensors => _maps.Keys;

    /// <summary>The thresholds that a file's metadata has, if any.</summary>
    /// <exception cref="InvalidDataException">They are damaged; the message says what.</exception>
    public static ActivationThresholds? Read(Metadata metadata)
    {
        if (!metadata.TryGetFloat(Prefix + "level", out float level))
            return null;
        float[] levels = metadata.GetFloatArray(Prefix + "levels");
        string[] tensors = [.. metadata.GetStringArray(Prefix + "tensors")];
        float[] thresholds = Table("thresholds"), shares = Table("shares");
        OrderedDictionary<string, (float[], float[])> maps = [];
        for (int i = 0; i < tensors.Length; i++)
        {
            Range row = (i * levels.Length)..((i + 1) * levels.Length);
            if (!maps.TryAdd(tensors[i], (thresholds[row], shares[row])))
                throw new InvalidDataException($"{metadata.Source}: {Prefix}tensors names '{tensors[i]}' twice.");
        }
        return new ActivationThresholds(level, levels, maps, metadata.Source);

        float[] Table(string key)
        {
            float[] values = metadata.GetFloatArray(Prefix + key);
            return values.Length == (long)tensors.Length * levels.Length
                ? values
                : throw new InvalidDataException($"{metadata.Source}: {Prefix}{key} has {values.Length} values for {tensors.Length} tensors at {levels.Length} levels.");
        }
    }

    /// <summary>Takes them out of a file's metadata: its maps have other inputs now.</summary>
    public static void Remove(Metadata metadata)
    {
        foreach (string key in (ReadOnlySpan<string>)["level", "levels", "tensors", "thresholds", "shares"])
            metadata.Remove(Prefix + key);
    }

    /// <summary>Writes them to a file's metadata, in place of those that are there.</summary>
    public void WriteTo(Metadata metadata)
    {
        metadata[Prefix + "level"] = Level;
        metadata[Prefix + "levels"] = _levels;
        metadata[Prefix + "tensors"] = (string[])[.. _maps.Keys];
        metadata[Prefix + "thresholds"] = (float[])[.. _maps.Values.SelectMany(map => map.Thresholds)];
        metadata[Prefix + "shares"] = (float[])[.. _maps.Values.SelectMany(map => map.Shares)];
    }

    /// <summary>The threshold of a map, 0 if it has none: between two levels, as far between those of the levels.</summary>
    /// <param name="tensor">The map's tensor.</param>
    /// <param name="level">The sparsity of the whole, from 0 to <see cref="HighestLevel"/>.</param>
    public float ThresholdOf(string tensor, float level) => _maps.TryGetValue(tensor, out var map) ? At(map.Thresholds, level) : 0;

    /// <summary>The share of a map's inputs that was below its threshold on the calibration text.</summary>
    public float ShareOf(string tensor, float level) => _maps.TryGetValue(tensor, out var map) ? At(map.Shares, level) : 0;

    private float At(float[] values, float level)
    {
        if (!(level >= 0 && level <= HighestLevel))
            throw new ArgumentException($"An activation sparsity of {level} is not within 0 to {HighestLevel}.", nameof(level));
        int above = Array.FindIndex(_levels, known => known >= level);
        (float from, float low) = above == 0 ? (0, 0) : (_levels[above - 1], values[above - 1]);
        return low + ((values[above] - low) * ((level - from) / (_levels[above] - from)));
    }
}
