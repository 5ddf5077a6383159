using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// bitsandbytes (QLoRA, Dettmers et al. 2023), for a map of n inputs to m outputs, in blocks of (usually) 64 weights that run on from row to row:
/// <code>
/// weight                                 U8   [m n / 2, 1]  two codes a byte, the first in the high bits
/// weight.absmax                          F32  [blocks]      or, with double quantization, U8
/// weight.quant_map                       F32  [16]          what codes stand for
/// weight.quant_state.bitsandbytes__nf4   U8                 JSON: shape, blocksize, and with double quantization nested_blocksize, nested_offset
/// weight.nested_absmax                   F32  [ceil(blocks / 256)]
/// weight.nested_quant_map                F32  [256]
/// </code>
/// <c>value = absmax * quant_map[code]</c>, <c>absmax = nested_absmax * nested_quant_map[absmax code] + nested_offset</c>. Of 8 bits
/// (LLM.int8): <c>weight</c> I8 [m, n], <c>SCB</c> F32 [m], <c>value = code * SCB / 127</c>.
/// </summary>
internal sealed class BitsAndBytes : QuantizedLayout
{
    private const string State = "weight.quant_state.bitsandbytes__";

    public BitsAndBytes(JsonFile config) => RefuseOthers(
        config, "quant_method", "load_in_4bit", "load_in_8bit", "_load_in_4bit", "_load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant",
        "bnb_4bit_compute_dtype", "bnb_4bit_quant_storage", "llm_int8_threshold", "llm_int8_skip_modules", "llm_int8_has_fp16_weight",
        "llm_int8_enable_fp32_cpu_offload");

    protected override IReadOnlyList<string> Suffixes { get; } =
    [
        "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map", State + "nf4", State + "fp4", "SCB", "weight_format",
    ];

    protected override bool IsQuantized(QuantizedModule module) =>
        module.Has("weight", TensorType.U8, TensorType.I8) || module.Has("weight.absmax") || module.Has(State + "nf4") || module.Has(State + "fp4");

    protected override TensorInfo Read(QuantizedModule module)
    {
        if (module.Has("weight", TensorType.I8))
            return ReadBytes(module);
        string type = module.Has(State + "fp4") ? "fp4" : "nf4";
        TensorInfo state = module.Take(State + type, TensorType.U8);
        JsonFile json = JsonFile.Parse($"{module.Path}: tensor '{module.Name}.{State}{type}'", state.Data.Span().ToArray());
        (int rows, int columns) = Float8Checkpoint.Block(json, "shape") ?? throw json.Missing("shape");
        int block = json.Count("blocksize");
        // Any type may hold the bytes.
        TensorInfo weight = module.Take("weight", TensorType.U8, TensorType.BF16, TensorType.F16, TensorType.F32);
        long count = (long)rows * columns;
        if (weight.Bytes * 2 != count)
            throw module.Error("weight", $"has {weight.Bytes} bytes for [{rows}, {columns}] of 4 bits");
        int shared = block;
        while (shared > 1 && columns % shared != 0)
            shared /= 2; // a block may end within a row
        if (shared % 32 != 0)
        {
            throw new NotSupportedException(
                $"{module.Path}: '{module.Name}' has blocks of {block} and rows of {columns}; Sluice runs what has a common divisor of at least 32.");
        }
        string format = type.ToUpperInvariant();
        TensorInfo map = module.Take("weight.quant_map", TensorType.F32);
        float[] levels = ScaledFloats.Find(format, columns, shared)!.Levels;
        if (map.Count != 16 || QuantizedModule.Floats(map).Zip(levels).Any(pair => Math.Abs(pair.First - pair.Second) > 1e-6f))
            throw module.Error("weight.quant_map", $"is not {format}'s");
        Func<float[]> absmax = Absmax(module, json, (count + block - 1) / block);
        return shared == block
            ? ScaledMatrix.ToTensor(module, format, rows, columns, block, absmax, row => (long)row * (columns / block), weight, isHighFirst: true)
            : ScaledMatrix.ToTensor(
                module, format, rows, columns, shared, () => Repeat(absmax(), block / shared), row => (long)row * (columns / shared), weight, isHighFirst: true);
    }

    private static float[] Repeat(float[] values, int times) => [.. values.SelectMany(value => Enumerable.Repeat(value, times))];

    private static Func<float[]> Absmax(QuantizedModule module, JsonFile state, long blocks)
    {
        TensorInfo absmax = module.Take("weight.absmax", TensorType.F32, TensorType.U8);
        module.CheckShape("weight.absmax", absmax, blocks);
        if (absmax.Type == TensorType.F32)
            return () => QuantizedModule.Floats(absmax);
        int block = state.Count("nested_blocksize");
        TensorInfo nested = module.Take("weight.nested_absmax", TensorType.F32), map = module.Take("weight.nested_quant_map", TensorType.F32);
        module.CheckShape("weight.nested_absmax", nested, (blocks + block - 1) / block);
        module.CheckShape("weight.nested_quant_map", map, 256);
        if (!state.TryGet("nested_offset", out JsonElement value) || value.ValueKind is not JsonValueKind.Number)
            throw state.Missing("nested_offset");
        float offset = value.GetSingle();
        return () =>
        {
            float[] factors = QuantizedModule.Floats(nested), levels = QuantizedModule.Floats(map), result = new float[blocks];
            ReadOnlySpan<byte> codes = absmax.Data.Span();
            for (int i = 0; i < result.Length; i++)
                result[i] = levels[codes[i]] * factors[i / block] + offset;
            return result;
        };
    }

    private static TensorInfo ReadBytes(QuantizedModule module)
    {
        TensorInfo weight = module.Take("weight", TensorType.I8), scales = module.Take("SCB", TensorType.F32);
        if (module.TakeIfThere("weight_format", TensorType.U8) is { } layout && layout.Data.Span().ContainsAnyExcept((byte)0))
            throw module.Error("weight_format", "is not 0, which stands for rows");
        (int rows, int columns) = module.Matrix("weight", weight);
        module.CheckShape("SCB", scales, rows);
        return new ByteMatrix(module, rows, columns, weight, scales) { HasSingles = true, HasZero = false }.ToTensor();
    }

    private sealed class ByteMatrix(QuantizedModule module, int rows, int columns, TensorInfo weight, TensorInfo scales)
        : GroupedMatrix(module, rows, columns, bits: 8, groups: 1)
    {
        protected override (float[] Scales, byte[]? Zeros) ReadGroups() => (Array.ConvertAll(QuantizedModule.Floats(scales), scale => scale / 127), null);

        protected override void ReadCodes(int row, int count, Span<byte> codes)
        {
            ReadOnlySpan<byte> stored = weight.Data.Span((long)row * Columns, count * Columns);
            for (int i = 0; i < codes.Length; i++)
                codes[i] = (byte)(stored[i] ^ 0x80);
        }
    }
}
