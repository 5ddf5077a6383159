using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>Tensors as group-wise integers.</summary>
public static class GroupedTensors
{
    /// <summary>
    /// The integers that a matrix consists of, without a loss, if it is stored as group-wise integers (of a GPTQ, AWQ or
    /// compressed-tensors checkpoint) with so many bits, in groups of so many columns (-1 for whole rows) or larger ones; else null.
    /// </summary>
    public static GroupedIntegers? Stored(TensorInfo tensor, int bits, int groupSize)
    {
        if (WeightFormats.Find(tensor.Type) is not GroupedFormat format || format.Bits != bits || groupSize % format.GroupSize > 0 || tensor.Shape.Length != 2)
            return null;
        (int rows, int columns) = ((int)tensor.Shape[1], (int)tensor.Shape[0]);
        int group = groupSize == -1 ? columns : groupSize, groups = (columns + group - 1) / group;
        byte[] codes = new byte[checked(rows * columns)], zeros = new byte[rows * groups];
        float[] scales = new float[rows * groups], blockScales = new float[columns / format.GroupSize], mins = new float[format.HasMin ? blockScales.Length : 0];
        int rowBytes = (int)format.Bytes(columns), middle = -format.Lowest;
        for (int r = 0; r < rows; r++)
        {
            Span<byte> row = codes.AsSpan(r * columns, columns);
            format.Decompose(tensor.Data.Span((long)r * rowBytes, rowBytes), MemoryMarshal.Cast<byte, sbyte>(row), blockScales, mins);
            for (int c = 0; c < columns; c++)
                row[c] = (byte)((sbyte)row[c] + middle);
            for (int i = 0; i < blockScales.Length; i++)
            {
                int at = r * groups + i * format.GroupSize / group;
                float scale = blockScales[i];
                byte zero = (byte)(middle + (format.HasMin && scale != 0 ? (int)MathF.Round(-mins[i] / scale) : 0));
                if (i * format.GroupSize % group >= format.GroupSize && (scales[at] != scale || zeros[at] != zero))
                    return null; // smaller groups
                (scales[at], zeros[at]) = (scale, zero);
            }
        }
        if (tensor.ColumnOrder is not { } order)
            return new GroupedIntegers(rows, columns, bits, group, codes, scales, zeros);
        // Back to the order of the inputs.
        byte[] natural = new byte[codes.Length];
        int[] columnGroups = new int[columns];
        for (int c = 0; c < columns; c++)
        {
            columnGroups[order[c]] = c / group;
            for (int r = 0; r < rows; r++)
                natural[r * columns + order[c]] = codes[r * columns + c];
        }
        return new GroupedIntegers(rows, columns, bits, group, natural, scales, zeros, columnGroups);
    }
}
