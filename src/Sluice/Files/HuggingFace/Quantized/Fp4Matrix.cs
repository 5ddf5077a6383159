using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// Matrices of 4-bit floats as compressed-tensors has them. For a map of n inputs to m outputs:
/// <code>
/// all                   weight_packed        U8       [m, n / 2]   codes, two a byte, the first in the low bits
/// nvfp4-pack-quantized  weight_scale         F8_E4M3  [m, n / 16]
///                       weight_global_scale  F32      [1]          what scales are divided by
/// mxfp4-pack-quantized  weight_scale         U8       [m, n / 32]  exponents of two, 127 for 1
/// </code>
/// </summary>
internal static class Fp4Matrix
{
    private delegate void WriteRow(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> scales, Span<byte> blocks);

    /// <summary>The tensor, whose bytes are made when they are asked for.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, its shape does not fit, or the global scale is none.</exception>
    /// <exception cref="NotSupportedException">The columns are no multiple of 32.</exception>
    public static TensorInfo Read(QuantizedModule module)
    {
        TensorInfo codes = module.Take("weight_packed", TensorType.U8), scales = module.Take("weight_scale", TensorType.E4M3, TensorType.U8);
        (int rows, int bytes) = module.Matrix("weight_packed", codes);
        int columns = checked(2 * bytes);
        if (columns % 32 != 0)
            throw new NotSupportedException($"{module.Path}: '{module.Name}' has {columns} columns; Sluice runs multiples of 32 in 4-bit floats.");
        if (scales.Type == TensorType.U8)
        {
            module.CheckShape("weight_scale", scales, rows, columns / 32);
            return ToTensor(module, WeightFormats.Get(TensorType.MXFP4), rows, columns, codes, scales, Mxfp4.Join);
        }
        module.CheckShape("weight_scale", scales, rows, columns / ScaledNVFP4.Group);
        TensorInfo global = module.Take("weight_global_scale", TensorType.F32);
        module.CheckShape("weight_global_scale", global, 1);
        float divisor = QuantizedModule.Floats(global)[0];
        if (!float.IsNormal(divisor) || divisor < 0)
            throw module.Error("weight_global_scale", $"is {divisor}, which is no scale");
        ScaledNVFP4 format = ScaledNVFP4.Find(columns)!;
        return ToTensor(module, format, rows, columns, codes, scales, (row, rowScales, blocks) =>
        {
            if (rowScales.ContainsAnyExceptInRange((byte)0, (byte)0x7E))
                throw module.Error("weight_scale", "has a scale that is negative or no number");
            format.Write(1 / divisor, rowScales, row, blocks);
        });
    }

    private static TensorInfo ToTensor(
        QuantizedModule module, WeightFormat format, int rows, int columns, TensorInfo codes, TensorInfo scales, WriteRow write)
    {
        int bytes = module.BytesOf(format, rows, columns);
        return new TensorInfo(module.Name + ".weight", format.Type, [columns, rows], bytes, () =>
        {
            MappedFile file = MappedFile.InMemory(module.Path, bytes, out Span<byte> target);
            int rowCodes = columns / 2, rowScales = (int)(scales.Bytes / rows), rowBytes = (int)format.Bytes(columns);
            for (int r = 0; r < rows; r++)
                write(codes.Data.Span((long)r * rowCodes, rowCodes), scales.Data.Span((long)r * rowScales, rowScales), target.Slice(r * rowBytes, rowBytes));
            codes.Release();
            return file.Bytes;
        });
    }
}
