using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>Panels of integers as the floats that they stand for, for activations that are not integers. They stay packed in memory.</summary>
internal sealed unsafe class IntegersAsFloats(WeightData data, IntegerPanels integers) : FloatPanels(data)
{
    public override long Bytes => integers.Bytes;

    public override void Dispose() => integers.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        const int Group = IntegerPanels.Group, Quads = Group / 4;
        IntegerKind kind = integers.Kind;
        byte* room = stackalloc byte[Stretch * Height];
        float* scales = stackalloc float[Stretch / Group * 4 * Height];
        Vector512<int> low = Vector512.Create(255), offset = Vector512.Create(kind.Offset);
        float* target = values;
        for (int done = 0; done < columns; done += Stretch)
        {
            int groups = Math.Min(columns - done, Stretch) / Group;
            int* codes = (int*)integers.Unpack(panel, column + done, groups, room, scales);
            float* groupScales = scales;
            for (int g = 0; g < groups; g++, groupScales += kind.ScalesPerGroup)
            {
                for (int quad = 0; quad < Quads; quad++, codes += Height)
                {
                    int part = quad * kind.Parts / Quads;
                    Vector512<float> scale = Vector512.Load(groupScales + part * Height);
                    Vector512<int> four = Vector512.Load(codes);
                    for (int i = 0; i < 4; i++, four >>>= 8, target += Height)
                    {
                        Vector512<float> value = Vector512.ConvertToSingle((four & low) - offset) * scale;
                        // As the format's own Dequantize: not fused, and nothing added where there is no minimum.
                        if (kind.HasMin)
                            value += Vector512.Load(groupScales + (kind.Parts + part) * Height);
                        value.Store(target);
                    }
                }
            }
        }
        return values;
    }
}
