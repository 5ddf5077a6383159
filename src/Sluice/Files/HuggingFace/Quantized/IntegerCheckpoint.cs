using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Sluice.Files.HuggingFace;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>A layout of group-wise integers.</summary>
internal abstract class IntegerCheckpoint(string name, int bits, int groupSize) : CheckpointLayout(name)
{
    protected int Bits => bits;

    protected int GroupSize => groupSize;

    protected int Groups(int columns) => groupSize == -1 ? 1 : (columns + groupSize - 1) / groupSize;

    /// <summary>Writes a map.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="module">Its name.</param>
    /// <param name="map">Its integers.</param>
    /// <param name="fileRows">The row in the file of each of its rows.</param>
    public void Write(SafetensorsWriter writer, string module, GroupedIntegers map, int[] fileRows)
    {
        if (map.Bits != bits || map.Groups != Groups(map.Columns) || map.Rows != fileRows.Length)
        {
            throw new InvalidDataException(
                $"'{module}' has [{map.Rows}, {map.Columns}] of {map.Bits} bits in {map.Groups} groups, where {bits} bits in {Groups(map.Columns)} are written.");
        }
        // By groups, as both layouts have them: [groups, rows of the file].
        Half[] scales = new Half[map.Scales.Length];
        byte[] zeros = new byte[map.Zeros.Length];
        for (int r = 0; r < map.Rows; r++)
        {
            for (int g = 0; g < map.Groups; g++)
            {
                int at = g * map.Rows + fileRows[r];
                scales[at] = (Half)map.Scales[r * map.Groups + g];
                zeros[at] = map.Zeros[r * map.Groups + g];
                if (!Half.IsFinite(scales[at]))
                    throw new InvalidDataException($"'{module}' has a scale of {map.Scales[r * map.Groups + g]}, which no half holds.");
            }
        }
        Write(writer, module, map, fileRows, zeros, MemoryMarshal.AsBytes<Half>(scales));
    }

    protected abstract void Write(
        SafetensorsWriter writer, string module, GroupedIntegers map, int[] fileRows, byte[] zeros, ReadOnlySpan<byte> scales);
}

/// <summary>The layout of <see cref="Gptq"/>.</summary>
internal sealed class GptqLayout(string name, int bits, int groupSize, bool isSymmetric, bool actOrder, GptqOrigin? origin)
    : IntegerCheckpoint(name, bits, groupSize)
{
    public override int LeastZeroPoint => Name == "gptq" ? 1 : 0; // one less is stored

    internal override string ConfigFile => "quantize_config.json";

    internal override JsonObject Config(IReadOnlyList<string> plain)
    {
        JsonObject config = new()
        {
            ["quant_method"] = "gptq",
            ["bits"] = Bits,
            ["group_size"] = GroupSize,
            ["desc_act"] = actOrder,
            ["sym"] = isSymmetric,
            ["lm_head"] = false,
            ["checkpoint_format"] = Name,
            ["pack_dtype"] = "int32",
        };
        if (origin is not null)
        {
            if (origin.Damping is > 0 and < 1) // others make transformers refuse the file, though nothing reads them
                config["damp_percent"] = origin.Damping;
            config["static_groups"] = origin.StaticGroups;
            config["true_sequential"] = false; // inputs are those of the model as it was
        }
        return config;
    }

    internal override void Declare(SafetensorsWriter writer, string module, int rows, int columns)
    {
        if (columns % 32 != 0 || rows % 32 != 0)
            throw new NotSupportedException($"'{module}' is [{rows}, {columns}]; GPTQ's words need multiples of 32.");
        int groups = Groups(columns);
        writer.Declare($"{module}.qweight", TensorType.I32, columns * Bits / 32, rows);
        writer.Declare($"{module}.qzeros", TensorType.I32, groups, rows * Bits / 32);
        writer.Declare($"{module}.scales", TensorType.F16, groups, rows);
        writer.Declare($"{module}.g_idx", TensorType.I32, columns);
    }

    protected override void Write(
        SafetensorsWriter writer, string module, GroupedIntegers map, int[] fileRows, byte[] zeros, ReadOnlySpan<byte> scales)
    {
        if (map.ColumnGroups is not null && !actOrder)
            throw new InvalidDataException($"'{module}' has groups of columns that are not side by side, which readers have to be told (act-order).");
        if (isSymmetric && !map.IsSymmetric)
            throw new InvalidDataException($"'{module}' has zero points other than the middle code, and symmetric ones were announced.");
        int perRow = map.Columns * Bits / 32;
        int[] words = new int[perRow * map.Rows], stream = new int[perRow];
        for (int r = 0; r < map.Rows; r++)
        {
            BitStream.Write(map.Codes.AsSpan(r * map.Columns, map.Columns), Bits, MemoryMarshal.AsBytes(stream.AsSpan()));
            for (int i = 0; i < perRow; i++)
                words[i * map.Rows + fileRows[r]] = stream[i];
        }
        if (Name == "gptq")
        {
            // One less is stored, and readers differ in what they make of 0 less 1.
            for (int i = 0; i < zeros.Length; i++)
                zeros[i] = zeros[i] > 0 ? (byte)(zeros[i] - 1) : throw new InvalidDataException($"'{module}' has a zero point of 0, which gptq_v2 can hold and gptq cannot.");
        }
        byte[] packed = new byte[zeros.Length / 8 * Bits];
        BitStream.Write(zeros, Bits, packed);
        int[] groups = map.ColumnGroups ?? [.. Enumerable.Range(0, map.Columns).Select(map.GroupOf)];
        writer.Write($"{module}.qweight", MemoryMarshal.AsBytes<int>(words));
        writer.Write($"{module}.qzeros", packed);
        writer.Write($"{module}.scales", scales);
        writer.Write($"{module}.g_idx", MemoryMarshal.AsBytes<int>(groups));
    }
}

/// <summary>The layout of <see cref="Awq"/>.</summary>
internal sealed class AwqLayout(int groupSize) : IntegerCheckpoint("awq", bits: 4, groupSize)
{
    internal override JsonObject Config(IReadOnlyList<string> plain) => new()
    {
        ["quant_method"] = "awq",
        ["bits"] = 4,
        ["group_size"] = GroupSize,
        ["zero_point"] = true,
        ["version"] = "gemm",
        ["modules_to_not_convert"] = plain.Count == 0 ? null : new JsonArray([.. plain]),
    };

    internal override void Declare(SafetensorsWriter writer, string module, int rows, int columns)
    {
        if (rows % 8 != 0 || columns % 32 != 0)
            throw new NotSupportedException($"'{module}' is [{rows}, {columns}]; AWQ's words need 8 outputs, its groups 32 inputs.");
        int groups = Groups(columns);
        writer.Declare($"{module}.qweight", TensorType.I32, columns, rows / 8);
        writer.Declare($"{module}.qzeros", TensorType.I32, groups, rows / 8);
        writer.Declare($"{module}.scales", TensorType.F16, groups, rows);
    }

    protected override void Write(
        SafetensorsWriter writer, string module, GroupedIntegers map, int[] fileRows, byte[] zeros, ReadOnlySpan<byte> scales)
    {
        if (map.ColumnGroups is not null)
            throw new InvalidDataException($"'{module}' has groups of columns that are not side by side, which AWQ's checkpoints cannot say.");
        byte[] codes = new byte[map.Codes.Length]; // [columns, rows of the file]
        for (int r = 0; r < map.Rows; r++)
        {
            for (int c = 0; c < map.Columns; c++)
                codes[c * map.Rows + fileRows[r]] = map.Codes[r * map.Columns + c];
        }
        writer.Write($"{module}.qweight", MemoryMarshal.AsBytes<int>(Pack(codes)));
        writer.Write($"{module}.qzeros", MemoryMarshal.AsBytes<int>(Pack(zeros)));
        writer.Write($"{module}.scales", scales);
    }

    private static int[] Pack(byte[] codes)
    {
        int[] words = new int[codes.Length / 8];
        for (int i = 0; i < words.Length; i++)
        {
            for (int j = 0; j < 8; j++)
                words[i] |= codes[8 * i + Awq.Order[j]] << (4 * j);
        }
        return words;
    }
}
