namespace Sluice.Files;

/// <summary>
/// The largest magnitudes of the inputs of a model's linear maps, as calibration found them: what static scales of activations stand for
/// (range / 127 for int8, range / 448 for E4M3). A file keeps them in its metadata.
/// </summary>
/// <remarks><c>sluice.activation_range.tensors</c> [maps]: names; <c>.largest</c> [maps].</remarks>
public sealed class ActivationRanges
{
    private const string Tensors = "sluice.activation_range.tensors", Largest = "sluice.activation_range.largest";

    private readonly OrderedDictionary<string, float> _maps;

    /// <summary>Of ranges that were found.</summary>
    /// <param name="maps">For each map, by its tensor's name, the largest magnitude of its inputs.</param>
    /// <param name="source">The file, for messages.</param>
    /// <exception cref="InvalidDataException">There are none, or one is no positive number; the message says which.</exception>
    public ActivationRanges(OrderedDictionary<string, float> maps, string source = "Ranges")
    {
        if (maps.Count == 0)
            throw new InvalidDataException($"{source}: {Tensors} is empty.");
        foreach ((string tensor, float range) in maps)
        {
            if (!float.IsFinite(range) || range <= 0)
                throw new InvalidDataException($"{source}: the inputs of '{tensor}' have a range of {range}.");
        }
        _maps = maps;
    }

    /// <summary>The maps that have ranges, by their tensors' names.</summary>
    public IEnumerable<string> Maps => _maps.Keys;

    /// <summary>The ranges that a file's metadata has, if any.</summary>
    /// <exception cref="InvalidDataException">They are damaged; the message says what.</exception>
    public static ActivationRanges? Read(Metadata metadata)
    {
        if (!metadata.TryGet(Tensors, out _))
            return null;
        string[] names = [.. metadata.GetStringArray(Tensors)];
        float[] ranges = metadata.GetFloatArray(Largest);
        if (ranges.Length != names.Length)
            throw new InvalidDataException($"{metadata.Source}: {Largest} has {ranges.Length} values for {names.Length} tensors.");
        OrderedDictionary<string, float> maps = [];
        for (int i = 0; i < names.Length; i++)
        {
            if (!maps.TryAdd(names[i], ranges[i]))
                throw new InvalidDataException($"{metadata.Source}: {Tensors} names '{names[i]}' twice.");
        }
        return new ActivationRanges(maps, metadata.Source);
    }

    /// <summary>Takes them out of a file's metadata: its maps have other inputs now.</summary>
    public static void Remove(Metadata metadata)
    {
        metadata.Remove(Tensors);
        metadata.Remove(Largest);
    }

    /// <summary>Writes them to a file's metadata, in place of those that are there.</summary>
    public void WriteTo(Metadata metadata)
    {
        metadata[Tensors] = (string[])[.. _maps.Keys];
        metadata[Largest] = (float[])[.. _maps.Values];
    }

    /// <summary>The range of a map's inputs; 0 if none is known.</summary>
    /// <param name="tensor">The map's tensor.</param>
    public float Of(string tensor) => _maps.GetValueOrDefault(tensor);
}
