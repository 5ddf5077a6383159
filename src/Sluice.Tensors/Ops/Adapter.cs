namespace Sluice.Tensors;

/// <summary>
/// A low-rank adapter (LoRA, Hu et al. 2021): what it adds to some linear maps, W x + factor * B (A x), for the rows of a batch whose
/// sequence has it. Models know nothing of it: it is a property of <see cref="Ops.Linear"/>.
/// </summary>
/// <remarks>
/// A and B are weights like any other, in the format that the file has. It owns them, and may be made while the model runs; nothing may
/// run with it any more when it is disposed.
/// </remarks>
public sealed class Adapter : IDisposable
{
    private readonly Ops owner;
    private readonly IDisposable? source;
    private readonly Dictionary<Weight, Update> updates = [];

    /// <summary>An adapter that adds nothing yet.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="ops">What will run it.</param>
    /// <param name="source">Where its tensors lie, if that is to be closed with it.</param>
    public Adapter(string name, Ops ops, IDisposable? source = null) => (Name, owner, this.source) = (name, ops.Loader(), source);

    /// <summary>What it is called.</summary>
    public string Name { get; }

    /// <summary>The bytes that it takes in memory.</summary>
    public long Bytes { get; private set; }

    /// <summary>The largest rank of its updates.</summary>
    public int Rank { get; private set; }

    /// <summary>Adds updates of the outputs of a weight's parts, all at once.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit the weight, or it has updates already.</exception>
    public void Add(Weight weight, params ReadOnlySpan<LowRank> parts)
    {
        WeightData[] downs = new WeightData[parts.Length];
        Part[] ups = new Part[parts.Length];
        int ranks = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            LowRank part = parts[i];
            if (weight.Experts != 1 || part.A.Columns != weight.Columns || part.B.Columns != part.A.Rows || part.FirstRow > weight.Rows - part.B.Rows)
                throw new ArgumentException($"{part.A.Name} and {part.B.Name} do not fit {weight.Name}.", nameof(parts));
            downs[i] = part.A;
            ups[i] = new Part(owner.LoadWeight(part.B), part.FirstRow, ranks, part.Factor);
            ranks += part.A.Rows;
            Rank = Math.Max(Rank, part.A.Rows);
            Bytes += ups[i].B.Bytes;
        }
        Update update = new(owner.LoadWeight(downs), ups);
        Bytes += update.A.Bytes;
        if (!updates.TryAdd(weight, update))
            throw new ArgumentException($"{weight.Name} has updates already.", nameof(weight));
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        owner.Dispose();
        source?.Dispose();
    }

    /// <summary>What it adds to a weight's outputs; null for nothing.</summary>
    internal Update? Of(Weight weight) => updates.GetValueOrDefault(weight);

    /// <summary>The As of all of a weight's parts side by side, as they have the same input, and a B each.</summary>
    internal sealed record Update(Weight A, Part[] Parts);

    /// <summary>Adds factor * B to the outputs from a row on, of the products from a column on.</summary>
    internal sealed record Part(Weight B, int FirstRow, int FirstColumn, float Factor);
}

/// <summary>An update of some of a weight's outputs.</summary>
/// <param name="FirstRow">The first of these outputs.</param>
/// <param name="A">Maps inputs to the rank [columns of the weight, rank].</param>
/// <param name="B">Maps the rank to outputs [rank, outputs].</param>
/// <param name="Factor">What the product is multiplied by.</param>
public readonly record struct LowRank(int FirstRow, WeightData A, WeightData B, float Factor);
