namespace Sluice.Files;

/// <summary>
/// What was folded into a model's weights so that it computes the same from other intermediate values: its maps read rotated or scaled inputs,
/// and an adapter that was trained on the model as it was does not fit them. A file keeps it in its metadata.
/// </summary>
/// <remarks><c>sluice.folded</c> [changes]: <c>rotation</c> (QuaRot), <c>scales</c> (AWQ, SmoothQuant).</remarks>
public static class FoldedChanges
{
    /// <summary>A rotation of the residual stream and of heads.</summary>
    public const string Rotation = "rotation";

    /// <summary>Factors of columns, whose inverses are in the maps and norms before.</summary>
    public const string Scales = "scales";

    private const string Key = "sluice.folded";

    /// <summary>What a file's metadata says; nothing for a model as it was trained.</summary>
    public static IReadOnlyList<string> Read(Metadata metadata) => metadata.TryGet(Key, out _) ? metadata.GetStringArray(Key) : [];

    /// <summary>Adds one to a file's metadata.</summary>
    public static void Add(Metadata metadata, string change) => metadata[Key] = (string[])[.. Read(metadata).Union([change])];
}
