using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>Written checkpoints, field by field against the layouts that their programs publish, and read again.</summary>
public class CheckpointWriterTests
{
    private const string Query = "model.layers.0.self_attn.q_proj", Down = "model.layers.0.mlp.down_proj";

    [Theory]
    [InlineData("gptq", 4, 128, true)]
    [InlineData("gptq", 3, 64, true)]
    [InlineData("gptq", 8, -1, true)]
    [InlineData("gptq_v2", 4, 64, false)]
    [InlineData("gptq_v2", 2, 32, false)]
    public void Gptq_is_laid_out_as_published(string layout, int bits, int group, bool isSymmetric)
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        string folder = target["out"];
        Dictionary<string, GroupedIntegers> maps = Write(plain.Path, folder, CheckpointLayout.Create(layout, bits, group, isSymmetric), bits, group, isSymmetric);

        JsonObject config = Config(folder);
        Assert.Equal("gptq", (string?)config["quant_method"]);
        Assert.Equal((bits, group), ((int)config["bits"]!, (int)config["group_size"]!));
        Assert.Equal((isSymmetric, false), ((bool)config["sym"]!, (bool)config["desc_act"]!));
        Assert.Equal((layout, "int32"), ((string?)config["checkpoint_format"], (string?)config["pack_dtype"]));
        Assert.Equal(config.ToJsonString(), JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "quantize_config.json")))!.ToJsonString());

        Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> file = ReadSafetensors(Path.Combine(folder, "model.safetensors"));
        foreach ((string module, string name) in ((string, string)[])[(Query, "blk.0.attn_q.weight"), (Down, "blk.0.ffn_down.weight")])
        {
            GroupedIntegers map = maps[name];
            (int n, int m, int groups) = (map.Columns, map.Rows, map.Groups);
            Assert.Equal(("I32", $"{n * bits / 32},{m}"), Describe(file[module + ".qweight"]));
            Assert.Equal(("I32", $"{groups},{m * bits / 32}"), Describe(file[module + ".qzeros"]));
            Assert.Equal(("F16", $"{groups},{m}"), Describe(file[module + ".scales"]));
            Assert.Equal(("I32", $"{n}"), Describe(file[module + ".g_idx"]));
            Assert.DoesNotContain(module + ".weight", file.Keys);
            int[] words = Ints(file[module + ".qweight"].Bytes), zeros = Ints(file[module + ".qzeros"].Bytes), index = Ints(file[module + ".g_idx"].Bytes);
            Half[] scales = MemoryMarshal.Cast<byte, Half>(file[module + ".scales"].Bytes).ToArray();
            int[] fileRow = name.Contains("attn_q") ? LlamaRows(m) : [.. Enumerable.Range(0, m)];
            for (int r = 0; r < m; r++)
            {
                for (int c = 0; c < n; c++)
                {
                    int code = 0;
                    for (int b = 0; b < bits; b++) // bit by bit down the column
                        code |= ((words[(c * bits + b) / 32 * m + fileRow[r]] >> ((c * bits + b) % 32)) & 1) << b;
                    Assert.Equal(map.Codes[r * n + c], code);
                }
                for (int g = 0; g < groups; g++)
                {
                    int zero = 0, at = fileRow[r] * bits;
                    for (int b = 0; b < bits; b++)
                        zero |= ((zeros[g * (m * bits / 32) + (at + b) / 32] >> ((at + b) % 32)) & 1) << b;
                    Assert.Equal(map.Zeros[r * groups + g] - (layout == "gptq" ? 1 : 0), zero);
                    Assert.Equal(map.Scales[r * groups + g], (float)scales[g * m + fileRow[r]]);
                }
            }
            Assert.Equal(Enumerable.Range(0, n).Select(c => c / map.GroupSize), index);
        }
        Check(folder, maps);
    }

    [Fact]
    public void Awq_is_laid_out_as_published()
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        string folder = target["out"];
        Dictionary<string, GroupedIntegers> maps = Write(plain.Path, folder, CheckpointLayout.Create("awq", 4, 64), 4, 64, isSymmetric: false);
        JsonObject config = Config(folder);
        Assert.Equal("""{"quant_method":"awq","bits":4,"group_size":64,"zero_point":true,"version":"gemm","modules_to_not_convert":null}""", config.ToJsonString());
        Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> file = ReadSafetensors(Path.Combine(folder, "model.safetensors"));
        GroupedIntegers map = maps["blk.0.ffn_down.weight"];
        (int n, int m) = (map.Columns, map.Rows);
        Assert.Equal(("I32", $"{n},{m / 8}"), Describe(file[Down + ".qweight"]));
        Assert.Equal(("I32", $"{map.Groups},{m / 8}"), Describe(file[Down + ".qzeros"]));
        Assert.Equal(("F16", $"{map.Groups},{m}"), Describe(file[Down + ".scales"]));
        int[] words = Ints(file[Down + ".qweight"].Bytes), zeros = Ints(file[Down + ".qzeros"].Bytes), place = [0, 4, 1, 5, 2, 6, 3, 7]; // of each output
        for (int r = 0; r < m; r++)
        {
            for (int c = 0; c < n; c++)
                Assert.Equal(map.Codes[r * n + c], (words[c * m / 8 + r / 8] >> (4 * place[r % 8])) & 15);
            for (int g = 0; g < map.Groups; g++)
                Assert.Equal(map.Zeros[r * map.Groups + g], (zeros[g * m / 8 + r / 8] >> (4 * place[r % 8])) & 15);
        }
        Check(folder, maps);
    }

    [Fact]
    public void Act_order_is_written_and_read()
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        Random random = new(5);
        Dictionary<string, GroupedIntegers> maps = [];
        CheckpointWriter.Write(plain.Path, target["out"], CheckpointLayout.Create("gptq", 4, 64, actOrder: true, origin: new GptqOrigin(Damping: 0, StaticGroups: false)), map =>
        {
            GroupedIntegers rounded = Round(map, 4, 64, isSymmetric: false);
            int[] groups = [.. Enumerable.Range(0, rounded.Columns).Select(rounded.GroupOf)];
            random.Shuffle(groups);
            return maps[map.Name] = new GroupedIntegers(rounded.Rows, rounded.Columns, 4, 64, rounded.Codes, rounded.Scales, rounded.Zeros, groups);
        });
        JsonObject config = Config(target["out"]);
        Assert.Equal((true, false, false), ((bool)config["desc_act"]!, (bool)config["static_groups"]!, (bool)config["true_sequential"]!));
        Assert.False(config.ContainsKey("damp_percent")); // which its readers want between 0 and 1
        Check(target["out"], maps);
        // And from there, with its order, to the other version without a loss.
        using ModelFile model = ModelFile.Open(target["out"]);
        foreach (TensorInfo map in CheckpointWriter.Maps(model))
        {
            GroupedIntegers stored = GroupedTensors.Stored(map, 4, 64)!;
            Assert.Equal(maps[map.Name].Codes, stored.Codes);
            Assert.Equal(maps[map.Name].Scales, stored.Scales);
            Assert.Equal(maps[map.Name].Zeros, stored.Zeros);
            Assert.Equal(maps[map.Name].ColumnGroups, stored.ColumnGroups);
        }
    }

    [Fact]
    public void Integers_go_from_gptq_to_awq_without_a_loss()
    {
        using TemporaryFolder gptq = new(), plain = new(), target = new();
        TinyLlama.Write(gptq, plain, JsonNode.Parse("""{"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": false}""")!.AsObject(), CheckpointWriters.Gptq(4, 128, false));
        CheckpointWriter.Write(gptq.Path, target["out"], CheckpointLayout.Create("awq"), map => GroupedTensors.Stored(map, 4, 128)!);
        using ModelFile before = ModelFile.Open(gptq.Path), after = ModelFile.Open(target["out"]);
        foreach (TensorInfo tensor in before.Tensors.Values)
            Assert.True(tensor.Data.Span().SequenceEqual(after.Tensor(tensor.Name).Data.Span()), tensor.Name);
        Assert.Null(GroupedTensors.Stored(before.Tensor("blk.0.attn_q.weight"), 4, 32 + 64)); // 96 divides no group
        Assert.Null(GroupedTensors.Stored(before.Tensor("blk.0.ffn_down.weight"), 4, -1)); // its groups are smaller than a row
        Assert.NotNull(GroupedTensors.Stored(before.Tensor("blk.0.ffn_down.weight"), 4, 64)); // two of one scale
    }

    [Fact]
    public void Fp8_squares_are_made_with_the_error_of_3_bits_of_fraction()
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        CheckpointWriter.Write(plain.Path, target["out"], CheckpointLayout.Create("fp8"), _ => throw new InvalidOperationException());
        Assert.Equal("""{"quant_method":"fp8","fmt":"e4m3","activation_scheme":"dynamic","weight_block_size":[128,128]}""", Config(target["out"]).ToJsonString());
        Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> file = ReadSafetensors(Path.Combine(target["out"], "model.safetensors"));
        Assert.Equal(("F8_E4M3", "256,512"), Describe(file[Down + ".weight"]));
        Assert.Equal(("F32", "2,4"), Describe(file[Down + ".weight_scale_inv"]));
        using ModelFile before = ModelFile.Open(plain.Path), after = ModelFile.Open(target["out"]);
        foreach (TensorInfo tensor in CheckpointWriter.Maps(before))
        {
            float[] a = new float[tensor.Shape[0]], b = new float[tensor.Shape[0]];
            for (int row = 0; row < tensor.Shape[1]; row++)
            {
                tensor.Dequantize(row, a);
                after.Tensor(tensor.Name).Dequantize(row, b);
                for (int i = 0; i < a.Length; i++)
                    Assert.True(Math.Abs(a[i] - b[i]) <= Math.Abs(a[i]) / 16 * 1.0001 + 1e-5, $"{a[i]} {b[i]}");
            }
        }
    }

    [Fact]
    public void A_folder_is_whole_or_not_there()
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        plain.Write("tokenizer.json", "{}");
        Assert.Throws<InvalidOperationException>(() => CheckpointWriter.Write(plain.Path, target["out"], CheckpointLayout.Create("awq"), _ => throw new InvalidOperationException()));
        Assert.Empty(Directory.GetFileSystemEntries(target.Path));
        Write(plain.Path, target["out"], CheckpointLayout.Create("awq"), 4, 128, isSymmetric: false);
        Assert.True(File.Exists(Path.Combine(target["out"], "tokenizer.json")));
        Assert.Contains("exists", Assert.Throws<IOException>(() => Write(plain.Path, target["out"], CheckpointLayout.Create("awq"), 4, 128, false)).Message);
        Assert.Contains("folder", Assert.Throws<NotSupportedException>(() => Write(target["none"], target["b"], CheckpointLayout.Create("awq"), 4, 128, false)).Message);
    }

    /// <summary>A matrix of 2 TiB, all of it a hole in the file.</summary>
    [Fact]
    public void A_disk_without_room_is_found_before_anything_is_computed()
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        Assert.SkipWhen(new DriveInfo(target.Path).AvailableFreeSpace > 1L << 39, "there is room for it");
        const long Size = 1 << 20;
        byte[] header = Encoding.UTF8.GetBytes($$"""{"{{Down}}.weight":{"dtype":"BF16","shape":[{{Size}},{{Size}}],"data_offsets":[0,{{2 * Size * Size}}] } }""");
        using (FileStream file = File.Create(Path.Combine(plain.Path, "model.safetensors")))
        {
            file.Write(BitConverter.GetBytes((ulong)header.Length));
            file.Write(header);
            try
            {
                file.SetLength(file.Position + 2 * Size * Size);
            }
            catch (IOException error)
            {
                Assert.Skip("no files of such a size: " + error.Message);
            }
        }
        IOException full = Assert.Throws<IOException>(
            () => CheckpointWriter.Write(plain.Path, target["out"], CheckpointLayout.Create("gptq"), _ => throw new InvalidOperationException("computed")));
        Assert.Contains("room for", full.Message);
        Assert.Empty(Directory.GetFileSystemEntries(target.Path));
    }

    [Fact]
    public void What_a_layout_cannot_hold_is_refused()
    {
        using TemporaryFolder plain = MakePlain(), target = new();
        string Refuse(CheckpointLayout layout, Func<TensorInfo, GroupedIntegers> make) =>
            Assert.Throws<InvalidDataException>(() => CheckpointWriter.Write(plain.Path, target["out"], layout, make)).Message;
        static GroupedIntegers Make(TensorInfo map, byte zero, int[]? groups = null, float scale = 1, int group = 128)
        {
            (int m, int n) = ((int)map.Shape[1], (int)map.Shape[0]);
            return new GroupedIntegers(m, n, 4, group, new byte[m * n], [.. Enumerable.Repeat(scale, m * n / group)], [.. Enumerable.Repeat(zero, m * n / group)], groups);
        }
        Assert.Contains("zero point of 0", Refuse(CheckpointLayout.Create("gptq"), map => Make(map, 0)));
        Assert.Contains("symmetric", Refuse(CheckpointLayout.Create("gptq", isSymmetric: true), map => Make(map, 7)));
        Assert.Contains("act-order", Refuse(CheckpointLayout.Create("gptq"), map => Make(map, 8, new int[map.Shape[0]])));
        Assert.Contains("AWQ", Refuse(CheckpointLayout.Create("awq"), map => Make(map, 8, new int[map.Shape[0]])));
        Assert.Contains("no half", Refuse(CheckpointLayout.Create("awq"), map => Make(map, 8, scale: 1e9f)));
        Assert.Contains("groups", Refuse(CheckpointLayout.Create("awq"), map => Make(map, 8, group: 64)));
        Assert.Contains("bits, not 5", Assert.Throws<ArgumentException>(() => CheckpointLayout.Create("gptq", 5)).Message);
        Assert.Contains("4 bits", Assert.Throws<ArgumentException>(() => CheckpointLayout.Create("awq", 3)).Message);
        Assert.Contains("multiples of 32", Assert.Throws<ArgumentException>(() => CheckpointLayout.Create("awq", 4, 100)).Message);
        Assert.Contains("gptq_v2", Assert.Throws<ArgumentException>(() => CheckpointLayout.Create("hqq")).Message);
    }

    private static TemporaryFolder MakePlain()
    {
        TemporaryFolder folder = new();
        using TemporaryFolder unused = new();
        // Any method will do for the other folder.
        TinyLlama.Write(unused, folder, null, (file, module, weights, rows, columns) => weights);
        return folder;
    }

    private static Dictionary<string, GroupedIntegers> Write(string source, string target, CheckpointLayout layout, int bits, int group, bool isSymmetric)
    {
        Dictionary<string, GroupedIntegers> maps = [];
        CheckpointWriter.Write(source, target, layout, map => maps[map.Name] = Round(map, bits, group, isSymmetric));
        Assert.Equal(7, maps.Count);
        return maps;
    }

    /// <summary>To nearest, between the least and the largest weight of each group (and 0), or symmetric ones.</summary>
    private static GroupedIntegers Round(TensorInfo map, int bits, int group, bool isSymmetric)
    {
        (int rows, int columns, int highest) = ((int)map.Shape[1], (int)map.Shape[0], (1 << bits) - 1);
        int size = group == -1 ? columns : group;
        byte[] codes = new byte[rows * columns], zeros = new byte[rows * columns / size];
        float[] scales = new float[zeros.Length], values = new float[columns];
        for (int r = 0; r < rows; r++)
        {
            map.Dequantize(r, values);
            for (int start = 0; start < columns; start += size)
            {
                float[] own = values[start..(start + size)];
                (float low, float high) = (Math.Min(own.Min(), 0), Math.Max(own.Max(), 0));
                int at = (r * columns + start) / size;
                scales[at] = (float)(Half)(isSymmetric ? 2 * Math.Max(-low, high) / highest : (high - low) / highest);
                zeros[at] = (byte)(isSymmetric ? (highest + 1) / 2 : Math.Clamp(MathF.Round(-low / scales[at]), 1, highest));
                for (int i = 0; i < size; i++)
                    codes[r * columns + start + i] = (byte)Math.Clamp(MathF.Round(own[i] / scales[at]) + zeros[at], 0, highest);
            }
        }
        return new GroupedIntegers(rows, columns, bits, size, codes, scales, zeros);
    }

    /// <summary>Read again, the maps are what was written.</summary>
    private static void Check(string folder, Dictionary<string, GroupedIntegers> maps)
    {
        using ModelFile model = ModelFile.Open(folder);
        foreach ((string name, GroupedIntegers map) in maps)
        {
            float[] expected = new float[map.Columns], actual = new float[map.Columns];
            for (int row = 0; row < map.Rows; row++)
            {
                map.Dequantize(row, expected);
                model.Tensor(name).Dequantize(row, actual);
                Assert.Equal(expected, actual);
            }
        }
    }

    // Of a llama's query heads: rows 2i and 2i + 1 of a model file are rows i and i + 32 of a head in Hugging Face's.
    private static int[] LlamaRows(int rows) =>
        [.. Enumerable.Range(0, rows).Select(r => r / TinyLlama.HeadDim * TinyLlama.HeadDim + r % TinyLlama.HeadDim / 2 + r % 2 * (TinyLlama.HeadDim / 2))];

    private static JsonObject Config(string folder) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!["quantization_config"]!.AsObject();

    private static (string, string) Describe((string Type, long[] Shape, byte[] Bytes) tensor) => (tensor.Type, string.Join(',', tensor.Shape));

    private static int[] Ints(byte[] bytes) => MemoryMarshal.Cast<byte, int>(bytes).ToArray();

    private static Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> ReadSafetensors(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int length = (int)BitConverter.ToUInt64(bytes), start = 8 + length;
        JsonObject header = JsonNode.Parse(Encoding.UTF8.GetString(bytes, 8, length))!.AsObject();
        Assert.Equal("pt", (string?)header["__metadata__"]!["format"]);
        return header.Where(entry => entry.Key != "__metadata__").ToDictionary(
            entry => entry.Key,
            entry => ((string)entry.Value!["dtype"]!, entry.Value["shape"]!.AsArray().Select(d => (long)d!).ToArray(),
                bytes[(start + (int)entry.Value["data_offsets"]![0]!)..(start + (int)entry.Value["data_offsets"]![1]!)]));
    }
}
