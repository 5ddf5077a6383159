using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;

namespace Sluice.Files;

/// <summary>
/// The layouts of others' checkpoints, written naively from their published descriptions: one number after the other, nothing shared with
/// the code that reads them.
/// </summary>
internal static class CheckpointWriters
{
    /// <summary>A matrix rounded to integers by the least and the largest weight of each group: [rows, columns], [rows, groups].</summary>
    private sealed record Rounded(int[] Codes, float[] Scales, int[] Zeros, int[] Index, int Groups, float[] Values);

    public static WriteMap Gptq(int bits, int group, bool isSymmetric, bool isV2 = false, bool actOrder = false, string scaleType = "F16") =>
        (file, module, weights, rows, columns) =>
        {
            Rounded q = Round(weights, rows, columns, bits, group, isSymmetric, actOrder, scaleType, module);
            int[] down = new int[columns * bits / 32 * rows], across = new int[q.Groups * (rows * bits / 32)];
            for (int r = 0; r < rows; r++)
            {
                int[] words = PackLikeAutoGptq([.. Enumerable.Range(0, columns).Select(c => q.Codes[r * columns + c])], bits);
                for (int i = 0; i < words.Length; i++)
                    down[i * rows + r] = words[i];
            }
            for (int g = 0; g < q.Groups; g++)
            {
                int[] zeros = [.. Enumerable.Range(0, rows).Select(r => isV2 ? q.Zeros[r * q.Groups + g] : (q.Zeros[r * q.Groups + g] - 1) & ((1 << bits) - 1))];
                PackLikeAutoGptq(zeros, bits).CopyTo(across, g * (rows * bits / 32));
            }
            Add(file, $"{module}.qweight", "I32", [columns * bits / 32, rows], down);
            Add(file, $"{module}.qzeros", "I32", [q.Groups, rows * bits / 32], across);
            AddFloats(file, $"{module}.scales", scaleType, [q.Groups, rows], Transpose(q.Scales, rows, q.Groups));
            Add(file, $"{module}.g_idx", "I32", [columns], q.Index);
            return q.Values;
        };

    public static WriteMap Awq(int group) => (file, module, weights, rows, columns) =>
    {
        Rounded q = Round(weights, rows, columns, 4, group, isSymmetric: false, actOrder: false, "F16");
        int[] order = [0, 2, 4, 6, 1, 3, 5, 7];
        int[] Pack(int lines, Func<int, int, int> code) // of line and output
        {
            int[] words = new int[lines * rows / 8];
            for (int line = 0; line < lines; line++)
            {
                for (int j = 0; j < rows / 8; j++)
                {
                    for (int i = 0; i < 8; i++)
                        words[line * rows / 8 + j] |= code(line, 8 * j + order[i]) << (4 * i);
                }
            }
            return words;
        }
        Add(file, $"{module}.qweight", "I32", [columns, rows / 8], Pack(columns, (c, r) => q.Codes[r * columns + c]));
        Add(file, $"{module}.qzeros", "I32", [q.Groups, rows / 8], Pack(q.Groups, (g, r) => q.Zeros[r * q.Groups + g]));
        AddFloats(file, $"{module}.scales", "F16", [q.Groups, rows], Transpose(q.Scales, rows, q.Groups));
        return q.Values;
    };

    public static WriteMap AwqGemv(int group) => (file, module, weights, rows, columns) =>
    {
        Rounded q = Round(weights, rows, columns, 4, group, isSymmetric: false, actOrder: false, "F16");
        int size = group < 0 ? columns : group, multiple = size >= 128 ? 1 : 128 / size;
        int width = ((q.Groups + 7) / 8 + multiple - 1) / multiple * multiple;
        int[] words = new int[rows * columns / 8], zeros = new int[rows * width];
        float[] scales = new float[rows * width * 8];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
                words[(r * columns + c) / 8] |= q.Codes[r * columns + c] << (c % 8 * 4);
            for (int g = 0; g < q.Groups; g++)
            {
                zeros[r * width + g / 8] |= q.Zeros[r * q.Groups + g] << (g % 8 * 4);
                scales[r * width * 8 + g] = q.Scales[r * q.Groups + g];
            }
        }
        Add(file, $"{module}.qweight", "I32", [rows, columns / 8], words);
        Add(file, $"{module}.qzeros", "I32", [rows, width], zeros);
        AddFloats(file, $"{module}.scales", "F16", [rows, width * 8], scales);
        return q.Values;
    };

    public static WriteMap Packed(int bits, int group, bool isSymmetric, bool actOrder = false) => (file, module, weights, rows, columns) =>
    {
        Rounded q = Round(weights, rows, columns, bits, group, isSymmetric, actOrder, "BF16", module);
        int perWord = 32 / bits;
        int[] words = new int[rows * columns / perWord], zeros = new int[rows / perWord * q.Groups];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
                words[(r * columns + c) / perWord] |= q.Codes[r * columns + c] << (c % perWord * bits);
            for (int g = 0; g < q.Groups; g++)
                zeros[r / perWord * q.Groups + g] |= q.Zeros[r * q.Groups + g] << (r % perWord * bits);
        }
        Add(file, $"{module}.weight_packed", "I32", [rows, columns / perWord], words);
        file.Add($"{module}.weight_shape", "I64", [2], MemoryMarshal.AsBytes<long>([rows, columns]));
        AddFloats(file, $"{module}.weight_scale", "BF16", [rows, q.Groups], q.Scales);
        if (!isSymmetric)
            Add(file, $"{module}.weight_zero_point", "I32", [rows / perWord, q.Groups], zeros);
        if (actOrder)
            Add(file, $"{module}.weight_g_idx", "I32", [columns], q.Index);
        return q.Values;
    };

    public static WriteMap Bytes(bool isSymmetric = true) => (file, module, weights, rows, columns) =>
    {
        Rounded q = Round(weights, rows, columns, 8, columns, isSymmetric, actOrder: false, "F32");
        file.Add($"{module}.weight", "I8", [rows, columns], MemoryMarshal.AsBytes<sbyte>(Array.ConvertAll(q.Codes, code => (sbyte)(code - 128))));
        AddFloats(file, $"{module}.weight_scale", "F32", [rows, 1], q.Scales);
        if (!isSymmetric)
            file.Add($"{module}.weight_zero_point", "I8", [rows, 1], MemoryMarshal.AsBytes<sbyte>(Array.ConvertAll(q.Zeros, zero => (sbyte)(zero - 128))));
        return q.Values;
    };

    /// <summary>8-bit floats; rows and columns of what shares a scale (0: all of them), and the shape of the scales.</summary>
    public static WriteMap Float8(string type, string scaleName, int rowBlock, int columnBlock, int dimensions = 2) => (file, module, weights, rows, columns) =>
    {
        (int down, int across) = (rowBlock == 0 ? rows : rowBlock, columnBlock == 0 ? columns : columnBlock);
        (int height, int width) = ((rows + down - 1) / down, (columns + across - 1) / across);
        float largest = type == "F8_E4M3" ? 448 : 57344;
        float[] scales = new float[height * width], values = new float[weights.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            ref float scale = ref scales[i / columns / down * width + i % columns / across];
            scale = Math.Max(scale, Math.Abs(weights[i]) / largest);
        }
        byte[] codes = new byte[weights.Length];
        float[] table = [.. Enumerable.Range(0, 256).Select(code => Float8Value(code, type == "F8_E4M3" ? 4 : 5))];
        for (int i = 0; i < weights.Length; i++)
        {
            float scale = scales[i / columns / down * width + i % columns / across], best = float.MaxValue;
            for (int code = 0; code < 256; code++)
            {
                float error = Math.Abs(table[code] * scale - weights[i]);
                if (error < best)
                    (best, codes[i], values[i]) = (error, (byte)code, table[code] * scale);
            }
        }
        file.Add($"{module}.weight", type, [rows, columns], codes);
        long[] shape = dimensions switch { 0 => [], 1 => [height], _ => [height, width] };
        AddFloats(file, $"{module}.{scaleName}", "F32", shape, scales);
        return values;
    };

    private static readonly float[] MicroFloats = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6];

    /// <summary>4-bit floats, with an E4M3 for 16 and a single for all, by which it is divided.</summary>
    public static WriteMap Nvfp4 => Nvfp4With(null);

    /// <summary>The same, with another single written.</summary>
    public static WriteMap Nvfp4With(float? written) => (file, module, weights, rows, columns) =>
    {
        float global = 448 * 6 / weights.Max(Math.Abs);
        float[] table = [.. Enumerable.Range(0, 127).Select(code => Float8Value(code, 4))];
        byte[] scales = [.. weights.Chunk(16).Select(group => (byte)Nearest(table, group.Max(Math.Abs) / 6 * global))];
        AddFloats(file, $"{module}.weight_global_scale", "F32", [1], [written ?? global]);
        file.Add($"{module}.weight_scale", "F8_E4M3", [rows, columns / 16], scales);
        return AddMicroFloats(file, module, weights, rows, columns, i => table[scales[i / 16]] / global);
    };

    /// <summary>4-bit floats, with a power of two for 32.</summary>
    public static WriteMap Mxfp4 => (file, module, weights, rows, columns) =>
    {
        byte[] scales = [.. weights.Chunk(32).Select(group => (byte)(127 + Math.Floor(Math.Log2(group.Max(Math.Abs))) - 2))];
        file.Add($"{module}.weight_scale", "U8", [rows, columns / 32], scales);
        return AddMicroFloats(file, module, weights, rows, columns, i => MathF.Pow(2, scales[i / 32] - 127));
    };

    private static float[] AddMicroFloats(RawSafetensors file, string module, float[] weights, int rows, int columns, Func<int, float> scale)
    {
        byte[] packed = new byte[weights.Length / 2];
        float[] values = new float[weights.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            int code = Nearest(MicroFloats, weights[i] / scale(i));
            packed[i / 2] |= (byte)(code << (i % 2 * 4));
            values[i] = MicroFloats[code] * scale(i);
        }
        file.Add($"{module}.weight_packed", "U8", [rows, columns / 2], packed);
        return values;
    }

    private static readonly float[] NormalFloats =
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
        0.7229568362236023f, 1f,
    ];

    private static readonly float[] Floats4 =
    [
        0f, 0.0625f / 12, 8f / 12, 1f, 4f / 12, 6f / 12, 2f / 12, 3f / 12, 0f, -0.0625f / 12, -8f / 12, -1f, -4f / 12, -6f / 12, -2f / 12, -3f / 12,
    ];

    public static WriteMap BitsAndBytes(string type, bool isNested, int block = 64) => (file, module, weights, rows, columns) =>
    {
        float[] map = type == "nf4" ? NormalFloats : Floats4;
        int blocks = weights.Length / block, nested = (blocks + 255) / 256;
        float[] absmax = [.. weights.Chunk(block).Select(part => part.Max(Math.Abs))];
        float offset = absmax.Average();
        float[] nestedMap = [.. Enumerable.Range(0, 256).Select(i => (i - 127.5f) / 127.5f)], nestedAbsmax = new float[nested];
        byte[] absmaxCodes = new byte[blocks];
        for (int i = 0; i < blocks && isNested; i++)
            nestedAbsmax[i / 256] = Math.Max(nestedAbsmax[i / 256], Math.Abs(absmax[i] - offset));
        for (int i = 0; i < blocks && isNested; i++)
        {
            absmaxCodes[i] = (byte)Nearest(nestedMap, (absmax[i] - offset) / nestedAbsmax[i / 256]);
            absmax[i] = nestedMap[absmaxCodes[i]] * nestedAbsmax[i / 256] + offset;
        }
        byte[] packed = new byte[weights.Length / 2];
        float[] values = new float[weights.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            int code = Nearest(map, weights[i] / absmax[i / block]);
            packed[i / 2] |= (byte)(i % 2 == 0 ? code << 4 : code);
            values[i] = map[code] * absmax[i / block];
        }
        JsonObject state = new()
        {
            ["quant_type"] = type,
            ["blocksize"] = block,
            ["dtype"] = "bfloat16",
            ["shape"] = new JsonArray(rows, columns),
        };
        file.Add($"{module}.weight", "U8", [packed.Length, 1], packed);
        AddFloats(file, $"{module}.weight.quant_map", "F32", [16], map);
        if (isNested)
        {
            state["nested_blocksize"] = 256;
            state["nested_dtype"] = "float32";
            state["nested_offset"] = offset;
            file.Add($"{module}.weight.absmax", "U8", [blocks], absmaxCodes);
            AddFloats(file, $"{module}.weight.nested_absmax", "F32", [nested], nestedAbsmax);
            AddFloats(file, $"{module}.weight.nested_quant_map", "F32", [256], nestedMap);
        }
        else
            AddFloats(file, $"{module}.weight.absmax", "F32", [blocks], absmax);
        byte[] json = Encoding.UTF8.GetBytes(state.ToJsonString());
        file.Add($"{module}.weight.quant_state.bitsandbytes__{type}", "U8", [json.Length], json);
        return values;
    };

    public static WriteMap BitsAndBytes8 => (file, module, weights, rows, columns) =>
    {
        float[] largest = [.. weights.Chunk(columns).Select(row => row.Max(Math.Abs))];
        sbyte[] codes = new sbyte[weights.Length];
        float[] values = new float[weights.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            codes[i] = (sbyte)MathF.Round(weights[i] / largest[i / columns] * 127);
            values[i] = codes[i] * (largest[i / columns] / 127);
        }
        file.Add($"{module}.weight", "I8", [rows, columns], MemoryMarshal.AsBytes<sbyte>(codes));
        AddFloats(file, $"{module}.SCB", "F32", [rows], largest);
        file.Add($"{module}.weight_format", "U8", [], [0]);
        return values;
    };

    private static int Nearest(float[] levels, float value)
    {
        int best = 0;
        for (int i = 1; i < levels.Length; i++)
            best = Math.Abs(levels[i] - value) < Math.Abs(levels[best] - value) ? i : best;
        return best;
    }

    private static float Float8Value(int code, int exponentBits)
    {
        int fractionBits = 7 - exponentBits, bias = (1 << (exponentBits - 1)) - 1;
        int exponent = (code >> fractionBits) & ((1 << exponentBits) - 1), fraction = code & ((1 << fractionBits) - 1);
        if ((exponentBits == 5 && exponent == 31) || (code & 0x7F) == 0x7F)
            return float.PositiveInfinity;
        double magnitude = exponent == 0
            ? fraction * Math.Pow(2, 1 - bias - fractionBits)
            : ((1 << fractionBits) + fraction) * Math.Pow(2, exponent - bias - fractionBits);
        return (float)(code >= 128 ? -magnitude : magnitude);
    }

    // As its pack does it for 3 bits: ten codes, then one over the edge of two words, ten, one, ten.
    private static int[] PackLikeAutoGptq(int[] codes, int bits)
    {
        List<int> words = [];
        int i = 0;
        while (i < codes.Length)
        {
            uint word = 0;
            if (bits != 3)
            {
                for (int j = 0; j < 32 / bits; j++)
                    word |= (uint)codes[i++] << (bits * j);
                words.Add((int)word);
                continue;
            }
            for (int j = 0; j < 10; j++)
                word |= (uint)codes[i++] << (3 * j);
            word |= (uint)codes[i] << 30;
            words.Add((int)word);
            word = ((uint)codes[i++] >> 2) & 1;
            for (int j = 0; j < 10; j++)
                word |= (uint)codes[i++] << (3 * j + 1);
            word |= (uint)codes[i] << 31;
            words.Add((int)word);
            word = ((uint)codes[i++] >> 1) & 3;
            for (int j = 0; j < 10; j++)
                word |= (uint)codes[i++] << (3 * j + 2);
            words.Add((int)word);
        }
        return [.. words];
    }

    private static Rounded Round(float[] weights, int rows, int columns, int bits, int group, bool isSymmetric, bool actOrder, string scaleType, string module = "")
    {
        if (group < 0)
            group = columns;
        int groups = columns / group, highest = (1 << bits) - 1, middle = (highest + 1) / 2;
        int[] index = [.. Enumerable.Range(0, columns).Select(c => c / group)];
        if (actOrder)
            new Random(columns + module.Where(char.IsAsciiDigit).Sum(digit => digit)).Shuffle(index); // each expert's, w1's and w3's, is its own
        int[] codes = new int[weights.Length], zeros = new int[rows * groups];
        float[] scales = new float[rows * groups], values = new float[weights.Length];
        for (int r = 0; r < rows; r++)
        {
            for (int g = 0; g < groups; g++)
            {
                float[] members = [.. Enumerable.Range(0, columns).Where(c => index[c] == g).Select(c => weights[r * columns + c])];
                float low = Math.Min(members.Min(), 0), high = Math.Max(members.Max(), 0);
                float scale = isSymmetric ? 2 * Math.Max(-low, high) / highest : (high - low) / highest;
                scales[r * groups + g] = scale = ToStored(scale, scaleType);
                zeros[r * groups + g] = isSymmetric ? middle : (int)Math.Clamp(MathF.Round(-low / scale), 0, highest);
            }
            for (int c = 0; c < columns; c++)
            {
                int i = r * columns + c, g = r * groups + index[c];
                codes[i] = (int)Math.Clamp(MathF.Round(weights[i] / scales[g]) + zeros[g], 0, highest);
                values[i] = scales[g] * (codes[i] - zeros[g]);
            }
        }
        return new Rounded(codes, scales, zeros, index, groups, values);
    }

    private static float ToStored(float value, string type) => type switch
    {
        "F16" => (float)(Half)value,
        "BF16" => BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + 0x8000) & 0xFFFF0000),
        _ => value,
    };

    private static float[] Transpose(float[] values, int rows, int columns)
    {
        float[] result = new float[values.Length];
        for (int i = 0; i < values.Length; i++)
            result[i % columns * rows + i / columns] = values[i];
        return result;
    }

    private static void Add(RawSafetensors file, string name, string type, long[] shape, int[] values) =>
        file.Add(name, type, shape, MemoryMarshal.AsBytes<int>(values));

    public static void AddFloats(RawSafetensors file, string name, string type, long[] shape, float[] values)
    {
        byte[] bytes = type switch
        {
            "F16" => MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)).ToArray(),
            "BF16" => MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))).ToArray(),
            _ => MemoryMarshal.AsBytes<float>(values).ToArray(),
        };
        file.Add(name, type, shape, bytes);
    }
}
