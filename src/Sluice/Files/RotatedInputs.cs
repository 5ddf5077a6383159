namespace Sluice.Files;

/// <summary>
/// The linear maps of a model whose inputs are rotated as it runs (an online rotation; QuaRot, Ashkboos et al. 2024): by the names of their
/// tensors, whose columns are those of rotated inputs. A file keeps them in its metadata.
/// </summary>
/// <remarks><c>sluice.rotated_inputs.tensors</c> [maps]: names. The rotation is <see cref="Tensors.Cpu.Hadamard.Rotate"/> of each row.</remarks>
public static class RotatedInputs
{
    private const string Tensors = "sluice.rotated_inputs.tensors";

    /// <summary>The maps that a file's metadata names; none if it says nothing of it.</summary>
    public static IReadOnlySet<string> Read(Metadata metadata) =>
        metadata.TryGet(Tensors, out _) ? metadata.GetStringArray(Tensors).ToHashSet(StringComparer.Ordinal) : [];

    /// <summary>Writes them to a file's metadata.</summary>
    public static void Write(Metadata metadata, IEnumerable<string> maps) => metadata[Tensors] = (string[])[.. maps];
}
