using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>What a kernel must know about codes that are bfloat16 and have scales.</summary>
/// <param name="Parts">Groups of weights, with a scale each, in 32 columns: 1 or 2.</param>
/// <param name="HasMin">Whether each of these also has a minimum.</param>
internal readonly record struct PairKind(int Parts, bool HasMin)
{
    /// <summary>Floats of a group's scales and minimums for 16 rows.</summary>
    public int ScalesPerGroup => Panels.Height * Parts * (HasMin ? 2 : 1);

    /// <summary>Sums of a token's activations that go with a group.</summary>
    public int SumsPerGroup => HasMin ? Parts : 0;

    /// <summary>A number from 0 to 3.</summary>
    public int Index => (Parts == 2 ? 2 : 0) + (HasMin ? 1 : 0);
}

/// <summary>
/// Panels of codes with scales for activations that are bfloat16: as the codes are bfloat16 too, they are multiplied before their scales join,
/// and no weight is rounded. They stay packed in memory.
/// </summary>
internal sealed unsafe class ScaledBFloat16s : Panels
{
    /// <summary>Bytes of a group's pairs.</summary>
    public const int GroupBytes = IntegerPanels.Group / 2 * Bfloat16Pairs.VectorBytes;

    public ScaledBFloat16s(WeightData data, Panels codes)
        : base(data)
    {
        Codes = codes;
        Kind = codes is IntegerPanels integers ? new PairKind(integers.Kind.Parts, integers.Kind.HasMin) : new PairKind(1, false);
    }

    /// <summary>The packed codes: <see cref="IntegerPanels"/> or <see cref="PackedScaledFloats"/>.</summary>
    public Panels Codes { get; }

    public PairKind Kind { get; }

    public override long Bytes => Codes.Bytes;

    public override void Dispose() => Codes.Dispose();

    public override bool IsLike(Panels other) => other is ScaledBFloat16s pairs && pairs.Kind == Kind;

    /// <summary>Unpacks columns of a panel.</summary>
    /// <param name="panel">The panel, counted over all experts.</param>
    /// <param name="column">The first column, a multiple of <see cref="Panels.Stretch"/>.</param>
    /// <param name="groups">Groups of 32 columns.</param>
    /// <param name="pairs">Written: [groups, 16 pairs of columns, 16 rows, 2] bfloat16s.</param>
    /// <param name="scales">Written: [groups, scales and then minimums of a group, 16 rows].</param>
    public void Unpack(int panel, int column, int groups, int* pairs, float* scales)
    {
        if (Codes is PackedScaledFloats floats)
        {
            floats.UnpackPairs(panel, column, groups, pairs, scales);
            return;
        }
        IntegerPanels integers = (IntegerPanels)Codes;
        byte* room = stackalloc byte[Stretch * Height];
        for (int done = 0; done < groups; done += Stretch / IntegerPanels.Group)
        {
            int here = Math.Min(groups - done, Stretch / IntegerPanels.Group);
            byte* codes = integers.Unpack(panel, column + done * IntegerPanels.Group, here, room, scales);
            Convert((int*)codes, integers.Kind.Offset, here, pairs);
            pairs += here * GroupBytes / sizeof(int);
            scales += here * Kind.ScalesPerGroup;
        }
    }

    // Integers of 8 bits are floats whose lower halves are zero.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Convert(int* codes, int offset, int groups, int* pairs)
    {
        Vector512<int> low = Vector512.Create(255), minus = Vector512.Create(offset);
        for (int quad = 0; quad < groups * IntegerPanels.Group / 4; quad++, codes += Height, pairs += 2 * Height)
        {
            Vector512<int> four = Vector512.Load(codes);
            Pair(four & low, (four >>> 8) & low, minus).Store(pairs);
            Pair((four >>> 16) & low, four >>> 24, minus).Store(pairs + Height);
        }

        static Vector512<int> Pair(Vector512<int> even, Vector512<int> odd, Vector512<int> minus) =>
            (Vector512.ConvertToSingle(even - minus).AsInt32() >>> 16) | Vector512.ConvertToSingle(odd - minus).AsInt32();
    }
}
