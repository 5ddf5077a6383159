namespace Sluice.Tensors.KvFormats;

/// <summary>The list of KV formats. A new format is a file beside this one and a line here.</summary>
public static class KvFormats
{
    /// <summary>Every format.</summary>
    public static IReadOnlyList<KvFormat> All { get; } =
    [
        new F32Kv(),
        new F16Kv(),
        new BF16Kv(),
        new IntegerKv("q8_0", bits: 8),
        new IntegerKv("q4_0", bits: 4),
        new IntegerKv("q4_1", bits: 4, hasMin: true),
        new RotatedKv(new IntegerKv("q4_0", bits: 4)),
        new RotatedKv(new IntegerKv("q4_1", bits: 4, hasMin: true)),
    ];

    /// <summary>The format of a name, whatever its case.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static KvFormat Get(string name) =>
        All.FirstOrDefault(format => format.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no KV format '{name}'; there are {string.Join(", ", All.Select(f => f.Name))}.", nameof(name));
}
