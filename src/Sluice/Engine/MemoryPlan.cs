using System.Globalization;
using Sluice.Cache;
using Sluice.Tensors.KvFormats;

namespace Sluice;

/// <summary>
/// The memory of a loaded model, in bytes: what it takes however long it serves, beside the .NET runtime's own. Pages of the
/// cache become resident as they are first used.
/// </summary>
/// <param name="Weights">The weights, as they are packed in memory.</param>
/// <param name="Mapped">
/// Tables of the file of which rows are read where they are: the system takes such pages back when it needs them, so they do not
/// count.
/// </param>
/// <param name="Cache">The KV cache and recurrent states, and what they have room for.</param>
/// <param name="WorkSpace">Results of the operations of one step.</param>
/// <param name="Adapters">The weights of the adapters that are loaded.</param>
public sealed record MemoryPlan(long Weights, long Mapped, KvPlan Cache, long WorkSpace, long Adapters = 0)
{
    /// <summary>All of it.</summary>
    public long Total => Weights + Adapters + Cache.Bytes + WorkSpace;

    /// <summary>A line for each part.</summary>
    public override string ToString()
    {
        List<string> lines =
        [
            $"weights     {Megabytes(Weights)}",
            .. Adapters > 0 ? [$"adapters    {Megabytes(Adapters)}"] : Array.Empty<string>(),
            $"KV cache    {Megabytes(Cache.Bytes)}  {Room()}",
            $"work space  {Megabytes(WorkSpace)}",
            $"total       {Megabytes(Total)}",
        ];
        if (Mapped > 0)
            lines.Add($"read from the file as needed, up to {Megabytes(Mapped).Trim()}");
        return string.Join('\n', lines);
    }

    private string Room()
    {
        string room = string.Create(CultureInfo.InvariantCulture, $"{Cache.Sequences} x {Cache.Context:N0} tokens");
        foreach (KvPlan.Group group in Cache.Groups)
        {
            string kept = group.Retention.Window == 0 ? "all" : string.Create(CultureInfo.InvariantCulture, $"a window of {group.Retention.Window:N0}");
            room += string.Create(
                CultureInfo.InvariantCulture,
                $"; {group.Shape.Layers} layers that keep {kept}: {group.Blocks:N0} blocks of {KvFormat.BlockSize} in {Cache.Format.Name}");
        }
        return room;
    }

    private static string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6,10:N1} MB");
}
