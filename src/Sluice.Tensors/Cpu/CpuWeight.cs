namespace Sluice.Tensors.Cpu;

/// <summary>Stored tensors side by side, each packed in its own way.</summary>
internal sealed class CpuWeight : Weight, IDisposable
{
    /// <summary>Kinds of integers that one weight may mix.</summary>
    public const int MaxKinds = 8;

    /// <summary>Joins tensors.</summary>
    /// <param name="columns">Inputs.</param>
    /// <param name="parts">The packed tensors.</param>
    /// <param name="inputs">What each does to its inputs first.</param>
    public CpuWeight(int columns, Panels[] parts, Inputs[] inputs)
        : base(
            string.Join(" + ", parts.Select(part => part.Name)), parts.Sum(part => part.Rows), columns, parts[0].Experts,
            parts.Sum(part => part.Bytes))
    {
        Parts = new Part[parts.Length];
        List<IntegerKind> kinds = [];
        int row = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            int kind = -1;
            if (parts[i] is IntegerPanels integers)
            {
                kind = kinds.IndexOf(integers.Kind);
                if (kind < 0)
                {
                    kind = kinds.Count;
                    kinds.Add(integers.Kind);
                }
            }
            Parts[i] = new Part(parts[i], row, PanelsPerExpert, PairsPerExpert, kind);
            row += parts[i].Rows;
            PanelsPerExpert += parts[i].PanelsPerExpert;
            PairsPerExpert += (parts[i].PanelsPerExpert + 1) / 2;
        }
        int same = 1;
        while (same < parts.Length && inputs[same].Equals(inputs[0]))
            same++;
        if (same == parts.Length)
        {
            ByInputs = [this];
            Changes = inputs[0];
            if (inputs[0].Order is { } order)
            {
                int[] pinned = GC.AllocateUninitializedArray<int>(order.Length, pinned: true);
                order.CopyTo(pinned, 0);
                Changes = Changes with { Order = pinned };
            }
        }
        else
            ByInputs = [new CpuWeight(columns, parts[..same], inputs[..same]), .. new CpuWeight(columns, parts[same..], inputs[same..]).ByInputs];
        if (kinds.Count > MaxKinds)
            throw new NotSupportedException($"{Name}: more than {MaxKinds} kinds of formats in one weight.");
        Kinds = [.. kinds];
    }

    public Part[] Parts { get; }

    /// <summary>
    /// Itself; but where its parts do different things to their inputs (<see cref="Inputs"/>), the runs of parts that agree, which have to be
    /// multiplied one after the other.
    /// </summary>
    public CpuWeight[] ByInputs { get; }

    /// <summary>What all parts do to their inputs. The array of an order does not move.</summary>
    public Inputs Changes { get; }

    /// <summary>Whether all parts lie in columns, of which those that meet zeros can be left unread.</summary>
    public bool CanSkip => Array.TrueForAll(Parts, part => part.Panels is IColumns { CanSkip: true });

    /// <summary>Whether all parts lie in columns.</summary>
    public bool IsInColumns => Array.TrueForAll(Parts, part => part.Panels is IColumns);

    /// <summary>The distinct kinds of the integer parts.</summary>
    public IntegerKind[] Kinds { get; }

    /// <summary>Whether a part needs activations in single precision.</summary>
    public bool HasFloats => Array.Exists(Parts, part => part.Panels is FloatPanels and not PackedBFloat16s);

    /// <summary>Whether a part needs activations rounded to bfloat16.</summary>
    public bool HasBFloat16s => Array.Exists(Parts, part => part.Panels is PackedBFloat16s or ScaledCodes { Kind.IsSingle: false });

    /// <summary>Whether a part is codes that need activations in single precision, of pairs of columns the odd one first.</summary>
    public bool HasSingleCodes => Array.Exists(Parts, part => part.Panels is ScaledCodes { Kind.IsSingle: true });

    /// <summary>Whether all parts are plain BF16.</summary>
    public bool IsBFloat16s => Array.TrueForAll(Parts, part => part.Panels is PackedBFloat16s);

    /// <summary>Whether a part needs, beside such activations, sums of those of 32 columns.</summary>
    public bool HasSums => Array.Exists(Parts, part => part.Panels is ScaledCodes { Kind: { HasMin: true, Parts: 1 } });

    /// <summary>The same of 16 columns.</summary>
    public bool HasHalfSums => Array.Exists(Parts, part => part.Panels is ScaledCodes { Kind: { HasMin: true, Parts: 2 } });

    /// <summary>Whether all parts are integers, of an even number of panels.</summary>
    public bool IsPairsOfIntegers => Array.TrueForAll(Parts, part => part is { Kind: >= 0, Panels.PanelsPerExpert: var panels } && panels % 2 == 0);

    /// <summary>Whether all parts are small floats with scales, which two panels at a time are faster with even for one token.</summary>
    public bool IsScaledFloats => Array.TrueForAll(Parts, part => part.Panels is PackedScaledFloats);

    /// <summary>Panels of one expert, of all parts.</summary>
    public int PanelsPerExpert { get; }

    /// <summary>Pairs of panels of one expert; a part's last may be a single one.</summary>
    public int PairsPerExpert { get; }

    /// <summary>Whether the weight is two halves whose panels can be multiplied side by side: of as many whole panels, of one kind.</summary>
    public bool HasHalves => ByInputs.Length == 1 && Rows % (2 * Panels.Height) == 0 && Parts switch
    {
        [_] => true,
        [Part first, Part second] => first.Panels.Rows == second.Panels.Rows && first.Panels.IsLike(second.Panels),
        _ => false,
    };

    /// <summary>The part of a panel, counted over all parts, and its number there.</summary>
    public (Part Part, int Panel) Locate(int panel)
    {
        int at = Parts.Length - 1;
        while (Parts[at].Panel > panel)
            at--;
        return (Parts[at], panel - Parts[at].Panel);
    }

    /// <summary>A pair of panels that follow each other, counted over all parts.</summary>
    public PanelPair Pair(int pair)
    {
        int at = Parts.Length - 1;
        while (Parts[at].Pair > pair)
            at--;
        int panel = 2 * (pair - Parts[at].Pair);
        return new PanelPair(Parts[at], panel, Parts[at], panel + 1, IsWhole: panel + 1 < Parts[at].Panels.PanelsPerExpert);
    }

    /// <summary>A panel of the first half and the same of the second, of a weight that <see cref="HasHalves"/>.</summary>
    public PanelPair HalvesPair(int pair)
    {
        (Part first, int panel) = Locate(pair);
        (Part second, int other) = Locate(pair + PanelsPerExpert / 2);
        return new PanelPair(first, panel, second, other, IsWhole: true);
    }

    public void Dispose()
    {
        foreach (Part part in Parts)
            part.Panels.Dispose();
    }

    /// <summary>
    /// What a stored tensor does to its inputs: <see cref="WeightData.RotatesInputs"/>, <see cref="WeightData.ColumnOrder"/>,
    /// <see cref="WeightData.Threshold"/> and, where scales are static, <see cref="WeightData.InputRange"/>.
    /// </summary>
    internal readonly record struct Inputs(int[]? Order, float Threshold, float Range, bool IsRotated)
    {
        /// <summary>Of a tensor.</summary>
        public Inputs(WeightData data, ActivationPrecision activations)
            : this(data.ColumnOrder, data.Threshold, activations.IsStatic() ? data.InputRange : 0, data.RotatesInputs)
        {
        }

        /// <summary>Whether nothing is done.</summary>
        public bool IsNothing => Order is null && Threshold == 0 && Range == 0 && !IsRotated;

        public bool Equals(Inputs other) => Threshold == other.Threshold && Range == other.Range && IsRotated == other.IsRotated
            && (Order is null || other.Order is null ? Order == other.Order : Order.AsSpan().SequenceEqual(other.Order));

        public override int GetHashCode() => HashCode.Combine(Order?.Length, Threshold, Range, IsRotated);
    }

    /// <summary>
    /// A stored tensor; the weight's row, panel and pair of panels where it begins; which of <see cref="Kinds"/> it is (-1: floats).
    /// </summary>
    internal readonly record struct Part(Panels Panels, int Row, int Panel, int Pair, int Kind);

    /// <summary>Two panels that are multiplied together; there is no second one if it is not whole.</summary>
    internal readonly record struct PanelPair(Part First, int FirstPanel, Part Second, int SecondPanel, bool IsWhole);
}
