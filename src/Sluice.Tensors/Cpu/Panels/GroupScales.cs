using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Scales of group-wise integers, for every block: [16 rows] halves or singles, then [16 rows] signed bytes, its zero points, if it
/// has them. A zero point's minimum is its product with the negative scale.
/// </summary>
internal sealed unsafe class GroupScales(GroupedFormat format) : ScaleLayout(format)
{
    private readonly int _perBlock = format.BlockSize / IntegerPanels.Group;

    private int ScaleBytes => Height * (format.HasSingles ? sizeof(float) : sizeof(ushort));

    public override int UnitGroups => _perBlock;

    public override int UnitBytes => ScaleBytes + (format.HasZero ? Height : 0);

    public override int Bytes(int groups) => groups / _perBlock * UnitBytes;

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        int groups = columns / IntegerPanels.Group;
        for (int g = 0; g < groups; g += _perBlock, packed += UnitBytes, blocks += format.BlockBytes)
        {
            for (int r = 0; r < rows; r++)
            {
                float scale = scales[r * groups + g];
                ushort half = ToHalf(format.HasSingles && float.IsFinite(scale) ? 0 : scale, name);
                if (format.HasSingles)
                    ((float*)packed)[r] = scale;
                else
                    ((ushort*)packed)[r] = half;
                if (format.HasZero)
                    packed[ScaleBytes + r] = blocks[r * rowBytes + format.HeaderBytes - 1];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        for (int g = 0; g < groups; g += _perBlock, packed += UnitBytes)
        {
            float* first = target;
            for (int i = 0; i < _perBlock; i++, target += Height * (format.HasZero ? 2 : 1))
            {
                if (i > 0)
                    Buffer.MemoryCopy(first, target, Height * sizeof(float), Height * sizeof(float));
                else if (format.HasSingles)
                    Buffer.MemoryCopy(packed, target, Height * sizeof(float), Height * sizeof(float));
                else
                    HalfBits.FiniteToSingles((ushort*)packed, target);
                if (!format.HasZero)
                    continue;
                (Vector256<float> low, Vector256<float> high) = BytesToSingles(Vector128.Load((sbyte*)packed + ScaleBytes));
                (low * -Vector256.Load(target)).Store(target + Height);
                (high * -Vector256.Load(target + 8)).Store(target + Height + 8);
            }
        }
    }

    public override void AssembleUnit(ScaleAssembler c)
    {
        if (format.HasSingles)
            c.Code.vmovups(c.Shared, __zmmword_ptr[c.Scales]);
        else
            c.LoadHalves(at: 0, c.Shared);
        if (!format.HasZero)
            return;
        c.Code.vpmovsxbd(c.SharedMin, __xmmword_ptr[c.Scales + ScaleBytes]);
        c.Code.vcvtdq2ps(c.SharedMin, c.SharedMin);
        c.Code.vmulps(c.SharedMin, c.SharedMin, c.Shared);
        c.Code.vpxord(c.SharedMin, c.SharedMin, c.Constant(int.MinValue));
    }

    public override void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result) =>
        c.Code.vmovaps(result, isMin ? c.SharedMin : c.Shared);
}
