namespace Sluice.Files.HuggingFace;

/// <summary>
/// Which rows make an embedding, as Sentence Transformers says it: <c>1_Pooling/config.json</c>, with a flag for each way (later versions:
/// <c>pooling_mode</c> and a name).
/// </summary>
internal static class PoolingConfig
{
    private const string Flag = "pooling_mode_", Name = "pooling_mode";

    // GGUF's pooling_type.
    private static readonly Dictionary<string, uint> Types = new()
    {
        ["mean_tokens"] = 1,
        ["mean"] = 1,
        ["cls_token"] = 2,
        ["cls"] = 2,
        ["lasttoken"] = 3,
    };

    /// <summary>Adds it to a model's metadata, where its folder says it.</summary>
    /// <param name="metadata">The metadata.</param>
    /// <param name="folder">The model's folder.</param>
    /// <param name="prefix">The architecture.</param>
    /// <exception cref="NotSupportedException">It is a way that Sluice does not have, or there are layers behind it.</exception>
    public static void AddTo(Metadata metadata, string folder, string prefix)
    {
        if (JsonFile.ReadIfThere(Path.Combine(folder, "1_Pooling", "config.json")) is not { } config)
            return;
        if (Directory.EnumerateDirectories(folder, "*_Dense").FirstOrDefault() is { } dense)
            throw new NotSupportedException($"{dense} is a layer behind the pooling, which Sluice does not implement.");
        string[] keys = config.Has(Name) ? [Name] : [.. config.Keys.Where(key => key.StartsWith(Flag, StringComparison.Ordinal) && config.BoolOrNull(key) is true)];
        if (keys.Length == 0)
            throw config.Missing(Name);
        string way = keys[0] == Name ? config.TextOrNull(Name)! : keys[0][Flag.Length..];
        if (keys.Length > 1 || !Types.TryGetValue(way, out uint type))
            throw config.Unsupported(keys[^1], "it has the mean, the first or the last token, one of these");
        metadata.Add($"{prefix}.pooling_type", type);
    }
}
