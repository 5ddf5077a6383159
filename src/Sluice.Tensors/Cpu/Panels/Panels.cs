using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// A stored tensor as the CPU's kernels read it: panels of 16 rows, in which a vector's lanes are rows. A kernel multiplies a
/// stretch of columns of a panel once it is unpacked to 8-bit integers or to floats, in the first-level cache.
/// </summary>
internal abstract class Panels : IDisposable
{
    /// <summary>Rows of a panel: the lanes of a 512-bit vector. The last panel's missing rows are zero.</summary>
    public const int Height = 16;

    /// <summary>The stretch of columns that packed data come in; the last of a row may be shorter.</summary>
    public const int Stretch = 256;

    protected Panels(WeightData data)
    {
        (Name, Rows, Columns, Experts) = (data.Name, data.Rows, data.Columns, data.Experts);
        PanelsPerExpert = (Rows + Height - 1) / Height;
    }

    public string Name { get; }

    /// <summary>Rows of one expert.</summary>
    public int Rows { get; }

    public int Columns { get; }

    public int Experts { get; }

    /// <summary>Panels of one expert; its panels follow those of the expert before.</summary>
    public int PanelsPerExpert { get; }

    /// <summary>Bytes of memory held or, where the stored bytes are used in place, their bytes.</summary>
    public abstract long Bytes { get; }

    /// <summary>Packs a tensor, or where there is no packed form wraps it as it is.</summary>
    /// <param name="data">The tensor.</param>
    /// <param name="pool">Threads.</param>
    /// <param name="activations">What it is multiplied by.</param>
    /// <param name="inColumns">Whether it shall lie in columns, which it <see cref="FitsColumns"/>.</param>
    public static Panels Load(
        WeightData data, WorkerPool pool, ActivationPrecision activations = ActivationPrecision.Auto, bool inColumns = false)
    {
        if (Stretch % data.Format.BlockSize != 0)
            throw new NotSupportedException($"{data.Name}: blocks of {data.Format.BlockSize} weights do not divide {Stretch}.");
        if (inColumns)
        {
            return data.Format.Integer is { } integer
                ? new ColumnIntegers(data, integer, IntegerLayout.Find(integer)!, pool)
                : new ColumnFloats(data, pool);
        }
        Product product = Products.Of(data.Format, activations);
        Panels panels = data.Format switch
        {
            IntegerFormat format => LoadIntegers(data, format, pool),
            ScaledFloats format => new PackedScaledFloats(data, format, pool),
            BF16 when product == Product.BFloat16 => new PackedBFloat16s(data, pool),
            F32 or F16 or BF16 => new PackedFloats(data, pool),
            _ => new StoredFloats(data),
        };
        return (panels, product) switch
        {
            (IntegerPanels, not Product.Int8) or (PackedScaledFloats, Product.BFloat16) =>
                new ScaledCodes(data, panels, isSingle: product == Product.Float32),
            _ => panels,
        };
    }

    /// <summary>Whether a format can lie in columns, so that those that meet zeros are not read (<see cref="IColumns"/>).</summary>
    public static bool FitsColumns(WeightFormat format, ActivationPrecision activations = ActivationPrecision.Auto) => format.Integer is { } integer
        ? activations is ActivationPrecision.Auto or ActivationPrecision.Int8 && ColumnIntegers.Fits(integer)
        : activations is ActivationPrecision.Auto or ActivationPrecision.F32 && ColumnFloats.Fits(format);

    private static IntegerPanels LoadIntegers(WeightData data, IntegerFormat format, WorkerPool pool)
    {
        if (format is PointFormat points)
            return new PackedPoints(data, points, pool);
        return IntegerLayout.Find(format) is { } layout
            ? new PackedIntegers(data, format, layout, pool)
            : new StoredIntegers(data, format);
    }

    /// <summary>What <see cref="Load"/> makes of a format, in words: how weights are kept, and what they are multiplied by.</summary>
    public static string Describe(WeightFormat format, ActivationPrecision activations)
    {
        Product product = Products.Of(format, activations);
        string weights = format switch
        {
            PointFormat points => $"code book of {points.Points.Count} points",
            IntegerFormat integers => IntegerLayout.Find(integers) is { } layout
                ? $"{layout.Bits}-bit {(layout.HasLevels ? "levels" : "integers")}" : "blocks unpacked each time",
            ScaledFloats scaled => $"{scaled.Bits}-bit floats with scales",
            BF16 => "bfloat16s",
            F32 or F16 => "floats",
            _ => "blocks unpacked each time",
        };
        string products = product switch { Product.Int8 => "int8", Product.BFloat16 => "bfloat16", _ => "float32" };
        string rounded = activations switch
        {
            ActivationPrecision.Int8 => "int8",
            ActivationPrecision.Int8Token => "int8 (one scale a token)",
            ActivationPrecision.FP8 => "E4M3 (one scale a token)",
            ActivationPrecision.Int8Static => "int8 (one scale)",
            ActivationPrecision.FP8Static => "E4M3 (one scale)",
            ActivationPrecision.BF16 => "bfloat16",
            _ => products,
        };
        return $"{weights}, {rounded} activations{(rounded.StartsWith(products, StringComparison.Ordinal) ? "" : $" as {products}")}";
    }

    public virtual void Dispose()
    {
    }

    /// <summary>Whether a kernel can multiply a panel of this and one of another together.</summary>
    public virtual bool IsLike(Panels other) => GetType() == other.GetType();

    /// <summary>The expert and first row of a panel.</summary>
    protected (int Expert, int Row, int Count) Locate(int panel)
    {
        (int expert, int within) = Math.DivRem(panel, PanelsPerExpert);
        int row = within * Height;
        return (expert, row, Math.Min(Height, Rows - row));
    }
}

/// <summary>Panels of integer formats.</summary>
internal abstract unsafe class IntegerPanels(WeightData data, IntegerFormat format) : Panels(data)
{
    /// <summary>Columns that kernels take at a time; their activations share a scale.</summary>
    public const int Group = 32;

    /// <summary>Groups whose activations share a scale, if <see cref="IntegerKind.HasWideScale"/>.</summary>
    public const int WideGroups = 8;

    /// <summary>Bytes of a group's unpacked codes.</summary>
    public const int GroupCodes = Group * Height;

    public IntegerKind Kind { get; } = new(
        -format.Lowest, Group / format.GroupSize, format.HasMin, IntegerKind.BitsOf(format.Highest - format.Lowest),
        format.ActivationGroup == WideGroups * Group);

    public override bool IsLike(Panels other) => other is IntegerPanels integers && integers.Kind == Kind;

    /// <summary>Unpacks columns of a panel.</summary>
    /// <param name="panel">The panel, counted over all experts.</param>
    /// <param name="column">The first column, a multiple of <see cref="Panels.Stretch"/>.</param>
    /// <param name="groups">Groups of 32 columns.</param>
    /// <param name="codes">Room for [groups, 8, 16 rows, 4 columns] bytes: q plus the kind's offset.</param>
    /// <param name="scales">Written: [groups, scales and then minimums of a group, 16 rows].</param>
    /// <returns>Where the codes are: in <paramref name="codes"/>, or in place.</returns>
    public abstract byte* Unpack(int panel, int column, int groups, byte* codes, float* scales);
}

/// <summary>What a kernel must know about unpacked integers.</summary>
/// <param name="Offset">Codes are this much larger than the integers they stand for.</param>
/// <param name="Parts">Groups of weights, with a scale each, in 32 columns: 1 or 2.</param>
/// <param name="HasMin">Whether each of these also has a minimum.</param>
/// <param name="Bits">The bits of codes, of those that some kernel sums in a way of its own: 4, 7 or 8.</param>
/// <param name="HasWideScale">Whether activations share a scale over 256 columns, in place of 32.</param>
internal readonly record struct IntegerKind(int Offset, int Parts, bool HasMin, int Bits, bool HasWideScale)
{
    /// <summary>The bits to say of codes up to this one.</summary>
    public static int BitsOf(int highest) => highest < 16 ? 4 : highest < 128 ? 7 : 8;

    /// <summary>Floats of a group's scales and minimums for 16 rows.</summary>
    public int ScalesPerGroup => Panels.Height * Parts * (HasMin ? 2 : 1);

    /// <summary>4-byte numbers that go with a token's 32 activations: scale; start of each sum; sum of activations of each part.</summary>
    public int NotesPerGroup => 1 + Parts * (HasMin ? 2 : 1);
}

/// <summary>Panels of plain floats.</summary>
internal abstract unsafe class FloatPanels(WeightData data) : Panels(data)
{
    /// <summary>Unpacks columns of a panel to [columns, 16 rows], in the order in which their products are summed.</summary>
    /// <returns>Where the values are: in <paramref name="values"/>, or in place.</returns>
    public abstract float* Unpack(int panel, int column, int columns, float* values);
}
