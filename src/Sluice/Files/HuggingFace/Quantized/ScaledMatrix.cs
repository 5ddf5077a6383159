using System.Buffers.Binary;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>A matrix of small floats with scales as a checkpoint has it, and how it becomes a tensor of <see cref="ScaledFloats"/>.</summary>
internal static class ScaledMatrix
{
    /// <summary>The tensor, whose bytes are made when they are asked for.</summary>
    /// <param name="module">The linear map.</param>
    /// <param name="format">The name of the format.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="block">Columns that share a scale.</param>
    /// <param name="scales">Gives all scales when they are needed.</param>
    /// <param name="rowStart">The place among them of a row's first scale.</param>
    /// <param name="codes">Row by row.</param>
    /// <param name="isHighFirst">Whether of two codes of 4 bits in a byte the first is in the high ones.</param>
    public static TensorInfo ToTensor(
        QuantizedModule module, string format, int rows, int columns, int block, Func<float[]> scales, Func<int, long> rowStart,
        TensorInfo codes, bool isHighFirst = false)
    {
        ScaledFloats found = ScaledFloats.Find(format, columns, block)
            ?? throw new NotSupportedException(
                $"{module.Path}: '{module.Name}' has {columns} columns, of which {block} share a scale; Sluice runs multiples of 32 in {format}.");
        int bytes = module.BytesOf(found, rows, columns);
        return new TensorInfo(module.Name + ".weight", found.Type, [columns, rows], bytes, () =>
        {
            MappedFile file = MappedFile.InMemory(module.Path, bytes, out Memory<byte> memory);
            float[] values = scales();
            int stored = columns * found.Bits / 8, piece = found.BlockSize * found.Bits / 8, rowBytes = (int)found.Bytes(columns);
            Parallel.For(0, rows, r =>
            {
                ReadOnlySpan<byte> source = codes.Data.Span((long)r * stored, stored);
                Span<byte> target = memory.Span.Slice(r * rowBytes, rowBytes);
                long start = rowStart(r);
                for (int c = 0; c < columns; c += found.BlockSize, source = source[piece..], target = target[found.BlockBytes..])
                {
                    BinaryPrimitives.WriteSingleLittleEndian(target, values[start + c / block]);
                    source[..piece].CopyTo(target[sizeof(float)..]);
                    for (int i = sizeof(float); isHighFirst && i < found.BlockBytes; i++)
                        target[i] = (byte)((target[i] << 4) | (target[i] >> 4));
                }
            });
            codes.Release();
            return file.Bytes;
        });
    }
}
