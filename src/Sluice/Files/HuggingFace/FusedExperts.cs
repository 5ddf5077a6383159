using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// Takes apart the experts of GPT-oss, which a layer has in one tensor each for gates and ups, which stand there by turns, and for downs
/// (E experts, n inputs, m outputs, inner width w):
/// <code>
/// gate_up_proj_blocks  U8    [E, 2 w, n / 32, 16]   MXFP4: two codes a byte, the first in the low bits
/// gate_up_proj_scales  U8    [E, 2 w, n / 32]       exponents of two, 127 for 1
/// gate_up_proj_bias    BF16  [E, 2 w]
/// down_proj_blocks     U8    [E, m, w / 32, 16]     and so on
/// gate_up_proj         BF16  [E, n, 2 w]            not quantized: inputs first
/// down_proj            BF16  [E, w, m]
/// </code>
/// They become <c>gate_proj</c>, <c>up_proj</c> and <c>down_proj</c>, each with a <c>weight</c> and a <c>bias</c>, made when they are
/// asked for.
/// </summary>
internal static class FusedExperts
{
    private const string Blocks = "_blocks", Scales = "_scales", Bias = "_bias", Part = ".mlp.experts.", Both = "gate_up_proj";
    private const int BlockWeights = 32, BlockCodes = 16;

    /// <summary>The tensors with those of experts taken apart.</summary>
    /// <exception cref="InvalidDataException">A shape does not fit, or a tensor is missing; the message names it.</exception>
    public static IEnumerable<StoredTensor> Split(IEnumerable<StoredTensor> tensors)
    {
        Dictionary<string, StoredTensor> scales = new(StringComparer.Ordinal);
        List<StoredTensor> blocks = [];
        foreach (StoredTensor tensor in tensors)
        {
            (string path, TensorInfo info) = (tensor.Path, tensor.Info);
            if (!info.Name.Contains(Part, StringComparison.Ordinal))
                yield return tensor;
            else if (info.Name.EndsWith(Scales, StringComparison.Ordinal))
                scales.Add(info.Name[..^Scales.Length], tensor);
            else if (info.Name.EndsWith(Blocks, StringComparison.Ordinal))
                blocks.Add(tensor);
            else if (info.Name.EndsWith(Bias, StringComparison.Ordinal))
                foreach (StoredTensor bias in Parts(path, info.Name[..^Bias.Length], "bias", (name, first, step) => BiasOf(path, info, name, first, step)))
                    yield return bias;
            else
                foreach (StoredTensor weight in Parts(path, info.Name, "weight", (name, first, step) => Transposed(path, info, name, first, step)))
                    yield return weight;
        }
        foreach ((string path, TensorInfo info) in blocks)
        {
            string stem = info.Name[..^Blocks.Length];
            TensorInfo exponents = scales.Remove(stem, out StoredTensor found) ? found.Info
                : throw new InvalidDataException($"{path}: tensor '{stem}{Scales}' is missing, which belongs to '{info.Name}'.");
            foreach (StoredTensor weight in Parts(path, stem, "weight", (name, first, step) => Joined(path, info, exponents, name, first, step)))
                yield return weight;
        }
        if (scales.Values.FirstOrDefault() is { Info: not null } lone)
            throw new InvalidDataException($"{lone.Path}: tensor '{lone.Info.Name}' has no blocks.");
    }

    /// <summary>What one tensor becomes: of outputs by turns two, which begin with the first and the second; else one.</summary>
    private static IEnumerable<StoredTensor> Parts(string path, string stem, string kind, Func<string, int, int, TensorInfo> make)
    {
        if (!stem.EndsWith("." + Both, StringComparison.Ordinal))
            return [new StoredTensor(path, make($"{stem}.{kind}", 0, 1))];
        string prefix = stem[..^Both.Length];
        return [new StoredTensor(path, make($"{prefix}gate_proj.{kind}", 0, 2)), new StoredTensor(path, make($"{prefix}up_proj.{kind}", 1, 2))];
    }

    private static TensorInfo BiasOf(string path, TensorInfo bias, string name, int first, int step)
    {
        int rows = bias.Shape is [<= int.MaxValue and long length, _] && length % step == 0 ? (int)length / step : throw WrongShape(path, bias);
        return new TensorInfo(name, TensorType.F32, [rows, bias.Shape[1]], bias.Count / step * sizeof(float), () =>
        {
            float[] all = QuantizedModule.Floats(bias);
            return Made(path, bias.Count / step * sizeof(float), target =>
            {
                Span<float> values = MemoryMarshal.Cast<byte, float>(target);
                for (int i = 0; i < values.Length; i++)
                    values[i] = all[i * step + first];
            });
        });
    }

    private static TensorInfo Joined(string path, TensorInfo blocks, TensorInfo scales, string name, int first, int step)
    {
        if (blocks.Type != TensorType.U8 || blocks.Shape is not [BlockCodes, > 0 and <= int.MaxValue / BlockWeights and long perRow, > 0 and <= int.MaxValue and long outputs, > 0 and <= int.MaxValue and long experts]
            || outputs % step != 0)
        {
            throw WrongShape(path, blocks);
        }
        if (scales.Type != TensorType.U8 || !scales.Shape.SequenceEqual([perRow, outputs, experts]))
            throw WrongShape(path, scales);
        WeightFormat format = WeightFormats.Get(TensorType.MXFP4);
        int rows = (int)outputs / step, rowBlocks = (int)perRow;
        return Stacked(path, name, format, rowBlocks * BlockWeights, rows, (int)experts, (expert, target) =>
        {
            for (int row = 0; row < rows; row++)
            {
                long at = (expert * outputs + (long)row * step + first) * rowBlocks;
                Mxfp4.Join(
                    blocks.Data.Span(at * BlockCodes, rowBlocks * BlockCodes), scales.Data.Span(at, rowBlocks),
                    target.Slice(row * rowBlocks * format.BlockBytes, rowBlocks * format.BlockBytes));
            }
        });
    }

    private static TensorInfo Transposed(string path, TensorInfo weight, string name, int first, int step)
    {
        WeightFormat? format = WeightFormats.Find(weight.Type);
        if (format is not { BlockSize: 1 } || weight.Shape is not [> 0 and <= int.MaxValue and long outputs, > 0 and <= int.MaxValue and long columns, > 0 and <= int.MaxValue and long experts]
            || outputs % step != 0)
        {
            throw WrongShape(path, weight);
        }
        (int rows, int size) = ((int)outputs / step, format.BlockBytes);
        return Stacked(path, name, format, (int)columns, rows, (int)experts, (expert, target) =>
        {
            for (int column = 0; column < columns; column++)
            {
                ReadOnlySpan<byte> line = weight.Data.Span((expert * columns + column) * outputs * size, checked((int)outputs * size));
                for (int row = 0; row < rows; row++)
                    line.Slice((row * step + first) * size, size).CopyTo(target[(int)((row * columns + column) * size)..]);
            }
        });
    }

    private delegate void MakeMatrix(int expert, Span<byte> target);

    private static TensorInfo Stacked(string path, string name, WeightFormat format, int columns, int rows, int experts, MakeMatrix make)
    {
        long bytes = format.Bytes((long)columns * rows);
        return new TensorInfo(name, path, [.. Enumerable.Range(0, experts).Select(expert => new TensorInfo(
            name, format.Type, [columns, rows], bytes, () => Made(path, bytes, target => make(expert, target))))]);
    }

    private static MappedBytes Made(string path, long bytes, Action<Span<byte>> fill)
    {
        MappedFile file = MappedFile.InMemory(path, checked((int)bytes), out Span<byte> target);
        fill(target);
        return file.Bytes;
    }

    private static InvalidDataException WrongShape(string path, TensorInfo tensor) =>
        new($"{path}: tensor '{tensor.Name}' is {tensor.TypeName} [{string.Join(", ", tensor.Shape.Reverse())}], which is no shape of experts' weights.");
}
