using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Scales of <see cref="ScaledNVFP4"/>, for every block: [16 rows] singles, then [groups of weights, 16 rows] bytes, E4M3 without a sign, that they
/// multiply.
/// </summary>
internal sealed unsafe class ScaledByteScales(ScaledNVFP4 format) : ScaleLayout(format)
{
    private const int SingleBytes = Height * sizeof(float);
    private static readonly float[] Values = [.. Enumerable.Range(0, 256).Select(code => NVFP4.HalfScale((byte)code))];
    private readonly int _perBlock = format.BlockSize / IntegerPanels.Group;

    public override int UnitGroups => _perBlock;

    public override int UnitBytes => SingleBytes + _perBlock * Parts * Height;

    public override int Bytes(int groups) => groups / _perBlock * UnitBytes;

    public override void Pack(byte* blocks, long rowBytes, int rows, int columns, float* scales, float* mins, byte* packed, string name)
    {
        for (int column = 0; column < columns; column += format.BlockSize, packed += UnitBytes, blocks += format.BlockBytes)
        {
            for (int r = 0; r < rows; r++)
            {
                ReadOnlySpan<byte> block = new(blocks + r * rowBytes, format.BlockBytes);
                float scale = BinaryPrimitives.ReadSingleLittleEndian(block);
                if (!(Math.Abs(scale) < 1e30f))
                    throw new InvalidDataException($"{name} has a scale of {scale}.");
                ((float*)packed)[r] = scale;
                for (int g = 0; g < _perBlock * Parts; g++)
                    packed[SingleBytes + g * Height + r] = block[sizeof(float) + g];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(byte* packed, int groups, float* target)
    {
        fixed (float* table = Values)
        {
            for (int g = 0; g < groups; g += _perBlock, packed += UnitBytes)
            {
                byte* bytes = packed + SingleBytes;
                for (int part = 0; part < _perBlock * Parts; part++)
                {
                    for (int r = 0; r < Height; r++)
                        *target++ = table[*bytes++] * ((float*)packed)[r];
                }
            }
        }
    }

    public override void AssembleUnit(ScaleAssembler c)
    {
        c.Code.vmovups(c.SharedMin, __zmmword_ptr[c.Scales]);
        c.Code.vmulps(c.SharedMin, c.SharedMin, c.Constant(BitConverter.SingleToInt32Bits(ByteScales.E4M3Factor)));
    }

    // Exact but for the product, whichever of its factors has the power of two.
    public override void AssembleScale(ScaleAssembler c, int group, int part, bool isMin, AssemblerRegisterZMM result)
    {
        c.Code.vpmovzxbd(c.Shared, __xmmword_ptr[c.Scales + SingleBytes + (group * Parts + part) * Height]);
        ByteScales.AssembleE4M3(c, result);
    }
}
