using System.Text.Json.Nodes;

namespace Sluice.Files;

/// <summary>How <see cref="CheckpointWriter"/> stores linear maps.</summary>
public abstract class CheckpointLayout
{
    private protected CheckpointLayout(string name) => Name = name;

    /// <summary>The names of all: <c>gptq</c>, <c>gptq_v2</c>, <c>awq</c>, <c>fp8</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["gptq", "gptq_v2", "awq", "fp8"];

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The least zero point that all its readers take for what it is: those of gptq differ over 0.</summary>
    public virtual int LeastZeroPoint => 0;

    /// <summary>An older file that says the same as <c>quantization_config</c>, if there was one.</summary>
    internal virtual string? ConfigFile => null;

    /// <summary>A layout.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="bits">Bits of an integer: 2, 3, 4 or 8 for GPTQ, 4 for AWQ; fp8 has 8.</param>
    /// <param name="groupSize">Columns of a group; -1 for whole rows. fp8 has squares of 128.</param>
    /// <param name="isSymmetric">Whether zero points are all the middle code, which readers are told.</param>
    /// <param name="actOrder">Whether a map's groups may be other than columns side by side (GPTQ), which readers are told.</param>
    /// <param name="origin">How a checkpoint of GPTQ's layouts was made, if GPTQ made it, which is written down.</param>
    /// <exception cref="ArgumentException">There is no such layout; the message says what there is.</exception>
    public static CheckpointLayout Create(string name, int bits = 4, int groupSize = 128, bool isSymmetric = false, bool actOrder = false, GptqOrigin? origin = null)
    {
        if (groupSize != -1 && (groupSize <= 0 || groupSize % 32 != 0))
            throw new ArgumentException($"Groups of {groupSize} columns are not written: multiples of 32 are, and -1 for whole rows.", nameof(groupSize));
        return name switch
        {
            "gptq" or "gptq_v2" when bits is 2 or 3 or 4 or 8 => new GptqLayout(name, bits, groupSize, isSymmetric, actOrder, origin),
            "awq" when bits == 4 && !actOrder => new AwqLayout(groupSize),
            "fp8" => new Float8Squares(),
            "gptq" or "gptq_v2" => throw new ArgumentException($"GPTQ's checkpoints have 2, 3, 4 or 8 bits, not {bits}.", nameof(bits)),
            "awq" => throw new ArgumentException("AWQ's checkpoints have 4 bits, in groups of columns side by side.", nameof(bits)),
            _ => throw new ArgumentException($"There is no layout '{name}'; there are {string.Join(", ", Names)}.", nameof(name)),
        };
    }

    /// <summary><c>quantization_config</c>.</summary>
    /// <param name="plain">Linear maps of the blocks that keep their floats, by parts of their names that no other map's has.</param>
    internal abstract JsonObject Config(IReadOnlyList<string> plain);

    /// <summary>Declares a map's tensors.</summary>
    /// <exception cref="NotSupportedException">Its shape does not fit.</exception>
    internal abstract void Declare(SafetensorsWriter writer, string module, int rows, int columns);
}

/// <summary>How GPTQ made a checkpoint: nothing that a reader needs, but what its configuration says.</summary>
/// <param name="Damping">What was added to the inputs' second moments, as a share of their mean.</param>
/// <param name="StaticGroups">Whether scales were fitted to the weights as they were, and groups stay columns side by side.</param>
public sealed record GptqOrigin(float Damping, bool StaticGroups);
