using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// Weights of 8-bit floats, as DeepSeek, Qwen, Meta and others publish them:
/// <code>
/// weight                             F8_E4M3 or F8_E5M2  [m, n]
/// weight_scale_inv or weight_scale   F32, BF16           [] or [1], [m] or [m, 1], or with weight_block_size [ceil(m / 128), ceil(n / 128)]
/// </code>
/// <c>value = scale * code</c>, whatever the name; without scales 1. A static scale of activations
/// <code>
/// input_scale or activation_scale    F32, BF16           [] or [1]
/// </code>
/// is that of E4M3, and used where static scales are asked for: here activations are never less exact than bfloat16 otherwise.
/// </summary>
internal sealed class Float8Checkpoint : QuantizedLayout
{
    private readonly (int Rows, int Columns)? _block;

    /// <summary>Reads the keys, if there are any.</summary>
    public Float8Checkpoint(JsonFile? config)
    {
        if (config is null)
            return;
        RefuseOthers(
            config, "quant_method", "fmt", "activation_scheme", "weight_block_size", "modules_to_not_convert", "ignored_layers", "dequantize",
            "activation_scale_ub", "scale_fmt", "kv_cache_scheme");
        if (config.TextOrNull("fmt") is not (null or "e4m3" or "e5m2" or "float8_e4m3fn" or "float8_e5m2"))
            throw config.Unsupported("fmt", "it reads e4m3 and e5m2");
        if (config.TextOrNull("scale_fmt") is not (null or "float" or "ue8m0"))
            throw config.Unsupported("scale_fmt");
        _block = Block(config, "weight_block_size");
    }

    /// <summary>Rows and columns of the squares that share a scale, if the key says so.</summary>
    public static (int Rows, int Columns)? Block(JsonFile config, string key)
    {
        if (!config.TryGet(key, out JsonElement value))
            return null;
        return value.ValueKind is JsonValueKind.Array && value.GetArrayLength() == 2
            && value.EnumerateArray().All(number => number.ValueKind is JsonValueKind.Number) && value[0].TryGetInt32(out int rows) && value[1].TryGetInt32(out int columns) && rows > 0 && columns > 0
            ? (rows, columns)
            : throw config.Error(key, "must be two numbers of at least 1", value);
    }

    protected override IReadOnlyList<string> Suffixes { get; } = ["weight_scale_inv", "weight_scale", "input_scale", "activation_scale"];

    protected override bool IsQuantized(QuantizedModule module) => module.Has("weight", TensorType.E4M3, TensorType.E5M2);

    protected override TensorInfo Read(QuantizedModule module)
    {
        string? suffix = module.Has("weight_scale_inv") ? "weight_scale_inv" : module.Has("weight_scale") ? "weight_scale" : null;
        if (suffix is null && _block is not null)
            suffix = "weight_scale_inv"; // missing, which is an error with its name
        return Read(module, suffix, _block);
    }

    protected override float InputRange(QuantizedModule module) => Math.Max(
        module.TakeRange("input_scale", Float8.LargestE4M3), module.TakeRange("activation_scale", Float8.LargestE4M3));

    /// <summary>Makes the weight of a map.</summary>
    public static TensorInfo Read(QuantizedModule module, string? scaleSuffix, (int Rows, int Columns)? block)
    {
        TensorInfo weight = module.Take("weight", TensorType.E4M3, TensorType.E5M2);
        (int rows, int columns) = module.Matrix("weight", weight);
        string format = weight.Type == TensorType.E4M3 ? "F8_E4M3" : "F8_E5M2";
        if (scaleSuffix is null)
            return ScaledMatrix.ToTensor(module, format, rows, columns, columns, () => [1], _ => 0, weight);
        ScaleGrid grid = ScaleGrid.Take(module, scaleSuffix, rows, columns, block);
        return ScaledMatrix.ToTensor(module, format, rows, columns, grid.ColumnBlock, grid.Read, row => grid.RowStart(row), weight);
    }
}
