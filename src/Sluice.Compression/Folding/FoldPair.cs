using Sluice.Files;

namespace Sluice.Compression;

/// <summary>A layer's pair of a <see cref="FoldRule"/>: the tensor divided, and those whose columns are multiplied.</summary>
internal sealed class FoldPair
{
    private readonly int _shared, _width; // heads that read one value head, and a head's width

    private FoldPair(TensorInfo from, bool isVector, int firstRow, IReadOnlyList<TensorInfo> to, int count, int shared, int width)
    {
        (From, IsVector, FirstRow, To, Count) = (from, isVector, firstRow, to, count);
        (_shared, _width) = (shared, width);
    }

    /// <summary>What is divided.</summary>
    public TensorInfo From { get; }

    /// <summary>Whether that is a vector; else a map's rows are.</summary>
    public bool IsVector { get; }

    /// <summary>The first of the rows.</summary>
    public int FirstRow { get; }

    /// <summary>Whose columns are multiplied.</summary>
    public IReadOnlyList<TensorInfo> To { get; }

    /// <summary>Factors (of each expert).</summary>
    public int Count { get; }

    /// <summary>Experts that each have factors of their own; 1 where all share them.</summary>
    public int Experts => IsVector ? 1 : MatrixToQuantize.CountOf(From);

    /// <summary>Whether what is divided is the norm of all that the layers before have written.</summary>
    public bool ReadsResidual { get; private init; }

    /// <summary>The width of the heads whose values these are; 0 for no heads.</summary>
    public int HeadWidth { get; private init; }

    /// <summary>The factor of a column: query heads that share a value head share its factors.</summary>
    public int FactorOf(int column) => column / (_width * _shared) * _width + column % _width;

    /// <summary>The pairs of a model.</summary>
    public static IReadOnlyList<FoldPair> Find(ModelFile file)
    {
        List<FoldPair> pairs = [];
        IReadOnlySet<string> rotated = RotatedInputs.Read(file.Metadata);
        int layers = file.Metadata.GetInt32(file.Architecture + ".block_count");
        for (int layer = 0; layer < layers; layer++)
        {
            foreach (FoldRule rule in FoldRules.All)
            {
                // What a rotation lies between cannot be divided here and multiplied there.
                if (Make(file, $"blk.{layer}.", rule) is { } pair && !pair.To.Any(to => rotated.Contains(to.Name)))
                    pairs.Add(pair);
            }
        }
        return pairs;
    }

    private static FoldPair? Make(ModelFile file, string prefix, FoldRule rule)
    {
        TensorInfo? from = Tensor(rule.From);
        TensorInfo[] to = [.. rule.To.Select(Tensor).OfType<TensorInfo>()];
        if (from is null || to.Length == 0 || (rule.Unless is { } unless && Tensor(unless) is not null) || (rule.Needs is { } needs && Tensor(needs) is null))
            return null;
        bool isVector = from.Shape.Length == 1;
        int columns = checked((int)to[0].Shape[0]), rows = checked((int)(isVector ? from.Shape[0] : from.Shape[1]));
        if (isVector)
            return rows == columns ? new FoldPair(from, true, 0, to, columns, 1, columns) { ReadsResidual = rule.ReadsResidual } : null;
        if (file.Architecture == FoldRules.NotLinear && rule.From.StartsWith("ffn_", StringComparison.Ordinal))
            return null;
        if (!rule.From.StartsWith("attn_", StringComparison.Ordinal))
        {
            int wanted = rule.Part == FoldPart.Last ? 2 * columns : columns;
            return rows == wanted ? new FoldPair(from, false, rows - columns, to, columns, 1, columns) : null;
        }
        // Attention: the columns of query heads, the rows of the fewer heads of V.
        Metadata metadata = file.Metadata;
        int heads = metadata.GetInt32(file.Architecture + ".attention.head_count");
        int width = columns / heads, kvHeads = metadata.GetInt32(file.Architecture + ".attention.head_count_kv", heads);
        int count = kvHeads * width;
        if (heads % kvHeads != 0 || (rule.Part == FoldPart.All && rows != count))
            return null;
        return new FoldPair(from, false, rows - count, to, count, heads / kvHeads, width) { HeadWidth = width };

        TensorInfo? Tensor(string name) => file.Tensors.GetValueOrDefault(prefix + name + ".weight");
    }
}
