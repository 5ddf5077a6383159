using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// <see cref="NVFP4"/> with the single that multiplies a whole tensor, repeated in each block so that nothing is beside it: what tensors of
/// compressed-tensors become, without a loss. <c>value = s * d * fp4</c>.
/// <code>
/// byte 0   s   single
///      4   d   scales of 16 weights each, as NVFP4's
///          qs  codes of <see cref="Fp4"/>; byte j: | weight 2 j + 1 | weight 2 j |
/// </code>
/// </summary>
public sealed class ScaledNVFP4 : IntegerFormat
{
    /// <summary>Weights that share a scale.</summary>
    public const int Group = 16;

    private ScaledNVFP4(int number, string name, int blockSize)
        : base(FirstType + (uint)number, blockSize, sizeof(float) + blockSize / Group + blockSize / 2, Group, lowest: -12, highest: 12) => Name = name;

    private const TensorType FirstType = ScaledFloats.FirstType + ScaledFloats.TypeCount;

    /// <summary>All: for rows of whole blocks of its usual size, and of 32.</summary>
    internal static IEnumerable<WeightFormat> All { get; } = [new ScaledNVFP4(0, "NVFP4_F32", 128), new ScaledNVFP4(1, "NVFP4_F32_B32", 32)];

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The format for rows of so many columns; null if there is none.</summary>
    public static ScaledNVFP4? Find(int columns) =>
        (ScaledNVFP4?)(columns % 128 == 0 ? WeightFormats.Get("NVFP4_F32") : columns % 32 == 0 ? WeightFormats.Get("NVFP4_F32_B32") : null);

    /// <summary>Writes a row.</summary>
    /// <param name="scale">What multiplies all of it.</param>
    /// <param name="scales">E4M3 without a sign, of 16 weights each.</param>
    /// <param name="codes">Two a byte, the first in the low bits.</param>
    /// <param name="blocks">The row's blocks, written.</param>
    public void Write(float scale, ReadOnlySpan<byte> scales, ReadOnlySpan<byte> codes, Span<byte> blocks)
    {
        int groups = BlockSize / Group;
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], scales = scales[groups..], codes = codes[(BlockSize / 2)..])
        {
            BinaryPrimitives.WriteSingleLittleEndian(blocks, scale);
            scales[..groups].CopyTo(blocks[sizeof(float)..]);
            codes[..(BlockSize / 2)].CopyTo(blocks[(sizeof(float) + groups)..]);
        }
    }

    private protected override void DecomposeBlock(ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float scale = BinaryPrimitives.ReadSingleLittleEndian(block);
        for (int g = 0; g < scales.Length; g++)
            scales[g] = NVFP4.HalfScale(block[sizeof(float) + g]) * scale;
        ReadOnlySpan<byte> codes = block[(sizeof(float) + scales.Length)..];
        for (int i = 0; i < quants.Length; i++)
            quants[i] = Fp4.Doubled[(codes[i / 2] >> (i % 2 * 4)) & 15];
    }
}
