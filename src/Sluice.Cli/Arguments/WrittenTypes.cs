using Sluice.Tensors.Formats;

namespace Sluice.Cli.Arguments;

/// <summary>The types that tensors can be written in, as options name them.</summary>
internal static class WrittenTypes
{
    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. WeightFormats.All.Where(format => format.CanQuantize).Select(format => format.Name)];

    /// <summary>The type of a name, in any case; null if there is none, or it is only read.</summary>
    public static WeightFormat? Find(string name) => WeightFormats.All.FirstOrDefault(
        format => format.CanQuantize && format.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
