using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>What a kernel must know about codes that have scales.</summary>
/// <param name="Parts">Groups of weights, with a scale each, in 32 columns: 1 or 2.</param>
/// <param name="HasMin">Whether each of these also has a minimum.</param>
/// <param name="IsSingle">Whether they, and the activations, are singles, and not pairs of bfloat16.</param>
internal readonly record struct CodeKind(int Parts, bool HasMin, bool IsSingle)
{
    /// <summary>Floats of a group's scales and minimums for 16 rows.</summary>
    public int ScalesPerGroup => Panels.Height * Parts * (HasMin ? 2 : 1);

    /// <summary>Sums of a token's activations that go with a group.</summary>
    public int SumsPerGroup => HasMin ? Parts : 0;

    /// <summary>Vectors of a group's codes.</summary>
    public int VectorsPerGroup => IntegerPanels.Group / (IsSingle ? 1 : 2);

    /// <summary>A number from 0 to 7.</summary>
    public int Index => (IsSingle ? 4 : 0) + (Parts == 2 ? 2 : 0) + (HasMin ? 1 : 0);
}

/// <summary>
/// Panels of codes with scales, for activations that are floats: bfloat16, as codes can be too, or singles. Codes are multiplied before their
/// scales join, so no weight is rounded. They stay packed in memory.
/// </summary>
internal sealed unsafe class ScaledCodes : Panels
{
    public ScaledCodes(WeightData data, Panels codes, bool isSingle)
        : base(data)
    {
        Codes = codes;
        Kind = codes is IntegerPanels integers
            ? new CodeKind(integers.Kind.Parts, integers.Kind.HasMin, isSingle) : new CodeKind(1, false, isSingle);
    }

    /// <summary>The packed codes: <see cref="IntegerPanels"/> or <see cref="PackedScaledFloats"/>.</summary>
    public Panels Codes { get; }

    public CodeKind Kind { get; }

    public override long Bytes => Codes.Bytes;

    public override void Dispose() => Codes.Dispose();

    public override bool IsLike(Panels other) => other is ScaledCodes codes && codes.Kind == Kind;

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
            pairs += here * IntegerPanels.Group / 2 * Height;
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
