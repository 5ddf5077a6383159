using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>FP8 as DeepSeek-V3 has it: E4M3, with a scale for every square of 128 x 128, which takes its largest magnitude to 448.</summary>
internal sealed class Float8Squares() : CheckpointLayout("fp8")
{
    private const int Side = 128;

    internal override JsonObject Config(IReadOnlyList<string> plain) => new()
    {
        ["quant_method"] = "fp8",
        ["fmt"] = "e4m3",
        ["activation_scheme"] = "dynamic",
        ["weight_block_size"] = new JsonArray(Side, Side),
    };

    internal override void Declare(SafetensorsWriter writer, string module, int rows, int columns)
    {
        writer.Declare($"{module}.weight", TensorType.E4M3, rows, columns);
        writer.Declare($"{module}.weight_scale_inv", TensorType.F32, Squares(rows), Squares(columns));
    }

    /// <summary>Writes a map, whose rows are in the order of the file.</summary>
    public void Write(SafetensorsWriter writer, string module, TensorInfo map)
    {
        (int rows, int columns) = ((int)map.Shape[1], (int)map.Shape[0]);
        int width = Squares(columns);
        byte[] codes = new byte[checked(rows * columns)];
        float[] scales = new float[Squares(rows) * width];
        Parallel.For(0, Squares(rows), square =>
        {
            int first = square * Side, count = Math.Min(Side, rows - first);
            float[] values = new float[count * columns];
            for (int r = 0; r < count; r++)
                map.Dequantize(first + r, values.AsSpan(r * columns, columns));
            Span<float> scale = scales.AsSpan(square * width, width);
            for (int i = 0; i < values.Length; i++)
                scale[i % columns / Side] = MathF.Max(scale[i % columns / Side], MathF.Abs(values[i]) / Float8.LargestE4M3);
            for (int i = 0; i < values.Length; i++)
            {
                float factor = scale[i % columns / Side];
                codes[first * columns + i] = factor == 0 ? (byte)0 : Float8.ToE4M3(values[i] / factor);
            }
        });
        if (!Array.TrueForAll(scales, float.IsFinite))
            throw new InvalidDataException($"'{module}' has weights that are not finite numbers.");
        writer.Write($"{module}.weight", codes);
        writer.Write($"{module}.weight_scale_inv", MemoryMarshal.AsBytes<float>(scales));
    }

    private static int Squares(int count) => (count + Side - 1) / Side;
}
