using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// compressed-tensors (llm-compressor, vLLM). For a map of n inputs to m outputs:
/// <code>
/// pack-quantized    weight_packed      I32  [m, n * bits / 32]   a stream of codes along each row, the lowest bits first
///                   weight_shape       I64  [2]                  m, n
///                   weight_zero_point  I32  [m * bits / 32, groups], a stream down each column; only if not symmetric
///                   weight_g_idx       I32  [n]                  the group of each input, only with act-order
/// int-quantized     weight             I8   [m, n]
///                   weight_zero_point  I8   as the scales; only if not symmetric
/// float-quantized   weight             F8_E4M3 [m, n]
/// nvfp4-pack-quantized, mxfp4-pack-quantized: <see cref="Fp4Matrix"/>
/// all               weight_scale       F16, BF16, F32  [1], [m, 1], [m, groups], or [ceil(m / 128), ceil(n / 128)] of squares
///                   input_scale        F16, BF16, F32  [1]: static scale of activations
///                   input_zero_point   I8 or F8_E4M3   [1]
/// </code>
/// Codes are those of signed integers, packed ones with 2^(bits - 1) added. Which of these a map has is read off its tensors and their shapes, so
/// that maps may differ. Scales of activations are used where static scales are asked for; those with a zero point are not, for here
/// activations are symmetric; nor are those of 4-bit floats (<c>input_global_scale</c>).
/// </summary>
internal sealed class CompressedTensors : QuantizedLayout
{
    private static readonly string[] Formats = ["pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mixed-precision", "dense"];
    private readonly (int Rows, int Columns)? _block;
    private readonly float _largestInput; // the largest code of static activations; 0 where no group has them

    public CompressedTensors(JsonFile config)
    {
        RefuseOthers(
            config, "quant_method", "format", "config_groups", "ignore", "quantization_status", "global_compression_ratio", "version",
            "kv_cache_scheme", "sparsity_config", "transform_config");
        if (config.TextOrNull("format") is { } format && !Formats.Contains(format))
            throw config.Unsupported("format", $"it reads {string.Join(", ", Formats)}");
        foreach (string key in (ReadOnlySpan<string>)["sparsity_config", "transform_config"])
        {
            if (config.ObjectOrNull(key) is { } other && other.Keys.Any() && other.TextOrNull("format") != "dense")
                throw config.Unsupported(key);
        }
        JsonFile groups = config.ObjectOrNull("config_groups") ?? throw config.Missing("config_groups");
        foreach (string name in groups.Keys)
        {
            JsonFile group = groups.ObjectOrNull(name)!;
            RefuseOthers(group, "targets", "weights", "input_activations", "output_activations", "format");
            if (group.Has("output_activations"))
                throw group.Unsupported("output_activations");
            if (group.TextOrNull("format") is { } own && !Formats.Contains(own))
                throw group.Unsupported("format", $"it reads {string.Join(", ", Formats)}");
            if (group.ObjectOrNull("weights") is { } weights)
                _block = Check(weights) ?? _block;
            if (group.ObjectOrNull("input_activations") is { } inputs && !IsLocal(inputs) && inputs.BoolOrNull("dynamic") is not true)
            {
                int bits = inputs.CountOrNull("num_bits") ?? 8;
                bool isFloat = inputs.TextOrNull("type") == "float";
                if (bits is < 2 or > 8 || (isFloat && bits != 8))
                    throw inputs.Unsupported("num_bits");
                float largest = isFloat ? Float8.LargestE4M3 : (1 << (bits - 1)) - 1;
                if (_largestInput > 0 && _largestInput != largest)
                    throw inputs.Unsupported("type", "all groups must round static activations alike");
                _largestInput = largest;
            }
        }
    }

    protected override IReadOnlyList<string> Suffixes { get; } =
        ["weight_packed", "weight_shape", "weight_scale", "weight_zero_point", "weight_g_idx", "weight_global_scale", "input_scale", "input_zero_point", "input_global_scale"];

    protected override bool IsQuantized(QuantizedModule module) =>
        module.Has("weight_packed") || module.Has("weight", TensorType.I8, TensorType.E4M3, TensorType.E5M2);

    protected override TensorInfo Read(QuantizedModule module)
    {
        module.Drop("input_global_scale");
        if (module.Has("weight_packed"))
            return module.Has("weight_packed", TensorType.U8) ? Fp4Matrix.Read(module) : ReadPacked(module);
        if (!module.Has("weight", TensorType.I8))
            return ReadFloats(module);
        TensorInfo weight = module.Take("weight", TensorType.I8);
        (int rows, int columns) = module.Matrix("weight", weight);
        ScaleGrid scales = ScaleGrid.Take(module, "weight_scale", rows, columns, _block);
        TensorInfo? zeros = module.TakeIfThere("weight_zero_point", TensorType.I8);
        if (zeros is not null && zeros.Count != scales.Tensor.Count)
            throw module.Error("weight_zero_point", $"has {zeros.Count} zero points for {scales.Tensor.Count} scales");
        return new Matrix(module, rows, columns, 8, weight, scales, zeros, isPacked: false)
        {
            HasSingles = scales.Tensor.Type != TensorType.F16,
            HasZero = zeros is not null && zeros.Data.Span().ContainsAnyExcept((byte)0),
        }.ToTensor();
    }

    protected override float InputRange(QuantizedModule module)
    {
        float range = module.TakeRange("input_scale", _largestInput);
        TensorInfo? zero = module.TakeIfThere("input_zero_point", TensorType.I8, TensorType.I32, TensorType.E4M3, TensorType.F16, TensorType.BF16, TensorType.F32);
        return zero is null || !zero.Data.Span().ContainsAnyExcept((byte)0) ? range : 0;
    }

    // Scales of small groups are found as they come, whatever the scale of all.
    private static bool IsLocal(JsonFile inputs) =>
        inputs.TryGet("dynamic", out JsonElement dynamic) && dynamic.ValueKind is JsonValueKind.String && dynamic.ValueEquals("local");

    private static (int Rows, int Columns)? Check(JsonFile weights)
    {
        RefuseOthers(
            weights, "num_bits", "type", "strategy", "symmetric", "group_size", "block_structure", "actorder", "dynamic", "observer",
            "observer_kwargs", "scale_dtype", "zp_dtype");
        string type = weights.TextOrNull("type") ?? "int";
        bool isKnown = (type, weights.Count("num_bits")) is ("int", 2 or 4 or 8) or ("float", 4 or 8);
        if (!isKnown)
            throw weights.Unsupported("num_bits", $"of type {type} it reads {(type == "float" ? "4 and 8" : "2, 4 and 8")}");
        if (weights.TextOrNull("strategy") is not (null or "tensor" or "channel" or "group" or "tensor_group" or "block"))
            throw weights.Unsupported("strategy");
        if (weights.BoolOrNull("dynamic") is true)
            throw weights.Unsupported("dynamic");
        return weights.TextOrNull("strategy") == "block" ? Float8Checkpoint.Block(weights, "block_structure") : null;
    }

    private TensorInfo ReadFloats(QuantizedModule module)
    {
        if (module.TakeIfThere("weight_zero_point", TensorType.E4M3, TensorType.I8, TensorType.F32, TensorType.BF16) is { } zeros
            && zeros.Data.Span().ContainsAnyExcept((byte)0))
        {
            throw module.Error("weight_zero_point", "is not 0, which floats cannot have");
        }
        return Float8Checkpoint.Read(module, "weight_scale", _block);
    }

    private static TensorInfo ReadPacked(QuantizedModule module)
    {
        TensorInfo weight = module.Take("weight_packed", TensorType.I32), shape = module.Take("weight_shape", TensorType.I64, TensorType.I32);
        (int rows, int words) = module.Matrix("weight_packed", weight);
        long[] size = shape.Count != 2 ? [] : shape.Type == TensorType.I64
            ? MemoryMarshal.Cast<byte, long>(shape.Data.Span()).ToArray()
            : Array.ConvertAll(QuantizedModule.Integers(shape).ToArray(), value => (long)value);
        if (size is not [long m, > 0 and <= int.MaxValue and long n] || m != rows)
            throw module.Error("weight_shape", $"is [{string.Join(", ", size)}], but weight_packed has {rows} rows");
        (int columns, int bits) = ((int)n, (int)(words * 32L / n));
        if (bits is not (2 or 4 or 8) || (long)columns * bits != words * 32L)
            throw module.Error("weight_packed", $"has {words} words a row, which {columns} columns of 2, 4 or 8 bits do not fill");
        ScaleGrid scales = ScaleGrid.Take(module, "weight_scale", rows, columns);
        TensorInfo? zeros = module.TakeIfThere("weight_zero_point", TensorType.I32, TensorType.I8);
        TensorInfo? index = module.TakeIfThere("weight_g_idx", TensorType.I32);
        if (index is not null)
            module.CheckShape("weight_g_idx", index, columns);
        // Packed along rows; old files have them as they are.
        if (zeros?.Type == TensorType.I32)
            module.CheckShape("weight_zero_point", zeros, ((rows * bits) + 31) / 32, scales.Width);
        else if (zeros is not null && zeros.Count != scales.Tensor.Count)
            throw module.Error("weight_zero_point", $"has {zeros.Count} zero points for {scales.Tensor.Count} scales");
        if (zeros is not null && scales.RowBlock != 1)
            throw module.Error("weight_zero_point", "is there, but the scale is one of the whole tensor");
        int[]? groups = index is null ? null : QuantizedModule.Integers(index).ToArray();
        return new Matrix(module, rows, columns, bits, weight, scales, zeros, isPacked: true)
        {
            HasSingles = scales.Tensor.Type != TensorType.F16,
            HasZero = zeros is not null,
            // -1 everywhere where it was never set.
            ColumnGroups = groups is not null && groups.AsSpan().ContainsAnyExcept(-1) ? groups : null,
        }.ToTensor();
    }

    private sealed class Matrix(
        QuantizedModule module, int rows, int columns, int bits, TensorInfo weight, ScaleGrid scales, TensorInfo? zeros, bool isPacked)
        : GroupedMatrix(module, rows, columns, bits, scales.Width)
    {
        private const byte Sign = 0x80; // turns a signed byte into one with 128 added

        protected override (float[] Scales, byte[]? Zeros) ReadGroups()
        {
            float[] stored = scales.Read(), result = new float[Rows * Groups];
            for (int r = 0; r < Rows; r++)
                stored.AsSpan(scales.RowStart(r), Groups).CopyTo(result.AsSpan(r * Groups));
            if (zeros is null)
                return (result, null);
            byte[] points = new byte[result.Length];
            if (zeros.Type == TensorType.I32)
            {
                ReadOnlySpan<int> words = QuantizedModule.Integers(zeros);
                for (int r = 0; r < Rows; r++)
                {
                    (int word, int at) = Math.DivRem(r * Bits, 32);
                    for (int g = 0; g < Groups; g++)
                        points[r * Groups + g] = (byte)((words[word * Groups + g] >> at) & ((1 << Bits) - 1));
                }
                return (result, points);
            }
            ReadOnlySpan<byte> signed = zeros.Data.Span();
            for (int r = 0; r < Rows; r++)
            {
                for (int g = 0; g < Groups; g++)
                    points[r * Groups + g] = (byte)((sbyte)signed[scales.RowStart(r) + g] + (1 << (Bits - 1)));
            }
            return (result, points);
        }

        protected override void ReadCodes(int row, int count, Span<byte> codes)
        {
            int perRow = (int)(weight.Bytes / Rows);
            ReadOnlySpan<byte> stored = weight.Data.Span((long)row * perRow, count * perRow);
            if (isPacked)
            {
                ReadStreams(MemoryMarshal.Cast<byte, int>(stored), Bits, Columns, count, codes);
                return;
            }
            for (int i = 0; i < codes.Length; i++)
                codes[i] = (byte)(stored[i] ^ Sign);
        }
    }
}
