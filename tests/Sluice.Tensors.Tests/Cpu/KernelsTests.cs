using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Kernels on memory that ends where they may read and write last: one byte more would end the process.</summary>
public unsafe class KernelsTests
{
    /// <summary>All kernels; where an instruction set was switched off, the best that are left.</summary>
    public static IEnumerable<string> Names => Kernels.All()
        .Select(kernels => kernels.Name).Take(InstructionSetTests.IsSwitchedOff ? 1 : int.MaxValue);

    public static TheoryData<string> AllKernels => [.. Names];

    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Integers_stay_within_their_memory(string name)
    {
        Kernels kernels = Kernels.Best(name), scalar = Kernels.Best("scalar");
        Random random = new(1);
        foreach (int parts in (int[])[1, 2])
        {
            foreach ((int offset, bool hasMin, int bits) in new[] { (128, false, 8), (127, false, 8), (8, false, 4), (0, true, 4), (32, false, 7), (16, true, 7) })
            {
                for (int tokens = 1; tokens <= Kernels.MaxTokens; tokens++)
                {
                    foreach ((int groups, bool isWide) in new[] { (1, false), (2, false), (3, false), (8, false), (8, true), (24, true) })
                    {
                        IntegerKind kind = new(offset, parts, hasMin, bits, isWide);
                        using GuardedTensors memory = new();
                        byte* codes = RandomBytes(memory, groups * IntegerPanels.GroupCodes, random, Math.Min((1 << bits) - 1, 127 + offset));
                        float* scales = RandomFloats(memory, groups * kind.ScalesPerGroup, random);
                        sbyte* activations = RandomActivations(memory, groups * IntegerPanels.Group * tokens, random);
                        float* notes = RandomNotes(memory, kind, tokens, groups, activations, random);
                        float* expected = RandomFloats(memory, tokens * Panels.Height, random);
                        float* sums = (float*)Copy(memory, (byte*)expected, tokens * Panels.Height * sizeof(float));
                        scalar.Integers(kind, tokens, codes, scales, activations, notes, expected, groups);
                        kernels.Integers(kind, tokens, codes, scales, activations, notes, sums, groups);
                        AssertSame(expected, sums, tokens * Panels.Height);
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Pairs_of_panels_give_what_each_gives_alone(string name)
    {
        Kernels kernels = Kernels.Best(name), scalar = Kernels.Best("scalar");
        if (!kernels.HasPairs)
            return;
        Random random = new(5);
        foreach (IntegerKind kind in (IntegerKind[])
            [
                new(128, 1, false, 8, false), new(0, 1, true, 7, false), new(32, 2, false, 7, false), new(0, 2, true, 7, false),
                new(0, 1, true, 7, true), new(32, 2, false, 7, true), new(0, 2, true, 7, true), new(128, 1, false, 8, true),
            ])
        {
            for (int tokens = 1; tokens <= Kernels.PairTokens; tokens++)
            {
                foreach ((int groups, int tiles) in kind.HasWideScale ? new[] { (8, 1), (16, 3) } : new[] { (1, 1), (3, 2), (16, 3) })
                {
                    using GuardedTensors memory = new();
                    using WorkerScratch room = new();
                    int codeBytes = groups * IntegerPanels.GroupCodes, scaleFloats = groups * kind.ScalesPerGroup, sumFloats = tokens * Panels.Height;
                    sbyte* activations = RandomActivations(memory, tiles * groups * IntegerPanels.Group * tokens, random);
                    float* notes = RandomNotes(memory, kind, tokens, tiles * groups, activations, random);
                    float* expected = (float*)memory.Allocate(2 * tiles * sumFloats * sizeof(float));
                    for (int panel = 0; panel < 2; panel++)
                    {
                        byte* codes = RandomBytes(memory, codeBytes, random, (1 << kind.Bits) - 1);
                        float* scales = RandomFloats(memory, scaleFloats, random);
                        Buffer.MemoryCopy(codes, room.Codes + panel * WorkerScratch.CodeBytes, codeBytes, codeBytes);
                        Buffer.MemoryCopy(
                            scales, (byte*)room.Scales + panel * WorkerScratch.ScaleBytes, scaleFloats * sizeof(float), scaleFloats * sizeof(float));
                        for (int tile = 0; tile < tiles; tile++)
                        {
                            scalar.Integers(
                                kind, tokens, codes, scales, activations + tile * groups * IntegerPanels.Group * tokens,
                                notes + tile * groups * kind.NotesPerGroup * tokens, expected + (panel * tiles + tile) * sumFloats, groups);
                        }
                    }
                    kernels.IntegerPair(kind, tokens, new PairArguments
                    {
                        Codes = room.Codes,
                        Scales = room.Scales,
                        Activations = activations,
                        Notes = notes,
                        Sums = room.SumsOf(0, 0),
                        Groups = groups,
                        Tiles = tiles,
                    });
                    AssertSame(expected, room.SumsOf(0, 0), tiles * sumFloats);
                    AssertSame(expected + tiles * sumFloats, room.SumsOf(0, 1), tiles * sumFloats);
                }
            }
        }
    }

    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Floats_stay_within_their_memory(string name)
    {
        Kernels kernels = Kernels.Best(name), scalar = Kernels.Best("scalar");
        Random random = new(2);
        for (int tokens = 1; tokens <= Kernels.MaxTokens; tokens++)
        {
            foreach (int columns in (int[])[1, 2, 3, 17])
            {
                using GuardedTensors memory = new();
                float* values = RandomFloats(memory, columns * Panels.Height, random);
                float* activations = RandomFloats(memory, columns * tokens, random);
                float* expected = RandomFloats(memory, tokens * Panels.Height, random);
                float* sums = (float*)Copy(memory, (byte*)expected, tokens * Panels.Height * sizeof(float));
                scalar.Floats(tokens, values, activations, expected, columns);
                kernels.Floats(tokens, values, activations, sums, columns);
                AssertSame(expected, sums, tokens * Panels.Height);
            }
        }
    }

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Bfloat16s_stay_within_their_memory(string name)
    {
        Kernels kernels = Kernels.Best(name), scalar = Kernels.Best("scalar");
        Random random = new(5);
        using WorkerPool pool = new(1);
        int* rows = stackalloc int[Kernels.MaxTokens];
        int* tiles = stackalloc int[2];
        for (int t = 0; t < Kernels.MaxTokens; t++)
            rows[t] = t;
        foreach (int columns in (int[])[1, 2, 3, 4, 17, 70])
        {
            WeightData data = RandomWeights.Data(WeightFormats.Get("BF16"), columns, 2 * Panels.Height, random);
            using PackedBFloat16s panels = Assert.IsType<PackedBFloat16s>(Panels.Load(data, pool));
            int pairs = Bfloat16Pairs.Count(columns), bytes = (int)panels.PanelBytes;
            Assert.Equal(pairs * Bfloat16Pairs.VectorBytes, bytes);
            for (int tokens = 1; tokens <= Kernels.MaxTokens; tokens++)
            {
                using GuardedTensors memory = new();
                uint* paired = (uint*)memory.Allocate(pairs * tokens * sizeof(uint));
                float* rounded = (float*)memory.Allocate(columns * tokens * sizeof(float));
                (tiles[0], tiles[1]) = (0, tokens);
                Tensor input = new(RandomFloats(memory, columns * tokens, random), tokens, columns, columns);
                new Activations { Input = input, Block = columns, Rows = rows, Tiles = tiles, TileCount = 1, Pairs = paired }.Arrange(0, []);
                new Activations { Input = input, Block = columns, Rows = rows, Tiles = tiles, TileCount = 1, Rounded = rounded }.Arrange(0, []);
                float* values = (float*)memory.Allocate(columns * Panels.Height * sizeof(float));
                byte* packed = Copy(memory, panels.Values(0), 2 * bytes);
                float* second = RandomFloats(memory, WorkerScratch.SumBytes / sizeof(float) + tokens * Panels.Height, random);
                float* sums = (float*)Copy(memory, (byte*)second, WorkerScratch.SumBytes + tokens * Panels.Height * sizeof(float));
                for (int panel = 0; panel < 2; panel++)
                {
                    float* expected = second + panel * WorkerScratch.SumBytes / sizeof(float);
                    float* actual = (float*)Copy(memory, (byte*)expected, tokens * Panels.Height * sizeof(float));
                    byte* one = Copy(memory, panels.Values(panel), bytes);
                    if (kernels.HasBFloat16)
                        kernels.BFloat16s(tokens, one, paired, actual, pairs);
                    else if (!kernels.PackedFloats(TensorType.BF16, tokens, one, rounded, actual, columns))
                        kernels.Floats(tokens, panels.Unpack(panel, 0, columns, values), rounded, actual, columns);
                    scalar.Floats(tokens, panels.Unpack(panel, 0, columns, values), rounded, expected, columns);
                    AssertSame(expected, actual, tokens * Panels.Height);
                }
                if (!kernels.HasBFloat16)
                    continue;
                kernels.BFloat16Pair(tokens, packed, bytes, paired, sums, pairs);
                AssertSame(second, sums, tokens * Panels.Height);
                AssertSame(
                    second + WorkerScratch.SumBytes / sizeof(float), sums + WorkerScratch.SumBytes / sizeof(float), tokens * Panels.Height);
            }
        }
    }

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Packed_formats_stay_within_their_memory(string name)
    {
        Kernels kernels = Kernels.Best(name), scalar = Kernels.Best("scalar");
        Random random = new(3);
        using WorkerPool pool = new(1);
        foreach (WeightFormat format in WeightFormats.All)
        {
            // Several panels in one call, and a last stretch that is shorter where the format has such.
            const int Count = 3;
            int columns = 512 + (format.BlockSize < Panels.Stretch ? format.BlockSize : 0), groups = columns / IntegerPanels.Group;
            using Panels loaded = Panels.Load(RandomWeights.Data(format, columns, Count * Panels.Height, random), pool);
            if (loaded is not IntegerPanels panels || panels is not (PackedIntegers or PackedPoints))
                continue;
            for (int tokens = 1; tokens <= Kernels.MaxTokens; tokens++)
            {
                using GuardedTensors memory = new();
                int sumFloats = tokens * Panels.Height;
                byte* unpacked = memory.Allocate(columns * Panels.Height);
                float* scales = (float*)memory.Allocate(groups * panels.Kind.ScalesPerGroup * sizeof(float));
                byte* first = panels is PackedPoints points ? points.Units(0, 0) : ((PackedIntegers)panels).Units(0, 0);
                byte* units = Copy(memory, first, checked((int)panels.Bytes));
                sbyte* activations = RandomActivations(memory, columns * tokens, random);
                float* notes = RandomNotes(memory, panels.Kind, tokens, groups, activations, random);
                float* expected = (float*)memory.Allocate(Count * sumFloats * sizeof(float));
                float* sums = (float*)memory.Allocate(Count * sumFloats * sizeof(float));
                bool can = panels is PackedPoints book
                    ? kernels.PackedPoints(book, tokens, units, activations, notes, sums, groups, Count)
                    : kernels.Packed((PackedIntegers)panels, tokens, units, activations, notes, sums, groups, Count);
                Assert.Equal(kernels is VnniKernels && (panels is PackedIntegers || PointAssembler.IsSupported), can);
                if (!can)
                    continue;
                for (int panel = 0; panel < Count; panel++)
                {
                    byte* codes = panels.Unpack(panel, 0, groups, unpacked, scales);
                    scalar.Integers(panels.Kind, tokens, codes, scales, activations, notes, expected + panel * sumFloats, groups);
                }
                AssertSame(expected, sums, Count * sumFloats);
            }
        }
    }

    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Codes_with_scales_stay_within_their_memory(string name)
    {
        Kernels kernels = Kernels.Best(name), scalar = Kernels.Best("scalar");
        Random random = new(7);
        using WorkerPool pool = new(1);
        foreach (bool isSingle in (bool[])[true, false])
        {
            if (!isSingle && !kernels.HasBFloat16)
                continue;
            ActivationPrecision precision = isSingle ? ActivationPrecision.F32 : ActivationPrecision.BF16;
            foreach (string format in LinearTests.Formats)
            {
                const int Columns = 512, Groups = Columns / IntegerPanels.Group;
                using Panels loaded = Panels.Load(RandomWeights.Data(WeightFormats.Get(format), Columns, 2 * Panels.Height, random), pool, precision);
                if (loaded is not ScaledCodes panels)
                    continue;
                for (int tokens = 1; tokens <= Kernels.MaxTokens; tokens++)
                {
                    using GuardedTensors memory = new();
                    using WorkerScratch room = new();
                    float* activations = RandomFloats(memory, Columns * tokens, random);
                    uint* pairs = (uint*)memory.Allocate(Columns / 2 * tokens * sizeof(uint));
                    for (int i = 0; i < Columns / 2; i++)
                    {
                        for (int t = 0; t < tokens && !isSingle; t++)
                        {
                            // Bfloat16s, of which the odd one comes first among singles.
                            ref uint pair = ref pairs[i * tokens + t];
                            pair = (BitConverter.SingleToUInt32Bits(activations[2 * i * tokens + t]) & 0xFFFF0000)
                                | BitConverter.SingleToUInt32Bits(activations[(2 * i + 1) * tokens + t]) >> 16;
                            activations[2 * i * tokens + t] = BitConverter.UInt32BitsToSingle(pair & 0xFFFF0000);
                            activations[(2 * i + 1) * tokens + t] = BitConverter.UInt32BitsToSingle(pair << 16);
                        }
                    }
                    float* given = isSingle ? activations : (float*)pairs;
                    float* sumsOf = RandomFloats(memory, Math.Max(Groups * panels.Kind.SumsPerGroup * tokens, 1), random);
                    float* scales = (float*)memory.Allocate(Groups * panels.Kind.ScalesPerGroup * sizeof(float));
                    int* codes = (int*)memory.Allocate(Columns / 2 * Panels.Height * sizeof(int));
                    float* values = (float*)memory.Allocate(Columns * Panels.Height * sizeof(float));
                    float* expected = (float*)memory.Allocate(2 * tokens * Panels.Height * sizeof(float));
                    for (int panel = 0; panel < 2; panel++)
                    {
                        panels.Unpack(panel, 0, Groups, codes, scales);
                        Bfloat16Pairs.Unpack(codes, Columns, values);
                        float* sums = expected + panel * tokens * Panels.Height;
                        scalar.ScaledCodes(panels.Kind with { IsSingle = true }, tokens, values, scales, activations, sumsOf, sums, Groups);
                        float* actual = (float*)memory.Allocate(tokens * Panels.Height * sizeof(float));
                        float* unpacked = isSingle ? values : (float*)codes;
                        kernels.ScaledCodes(panels.Kind, tokens, unpacked, scales, given, sumsOf, actual, Groups);
                        AssertSame(sums, actual, tokens * Panels.Height);
                        new Span<float>(actual, tokens * Panels.Height).Clear();
                        if (kernels.PackedCodes(panels, panels.Kind, tokens, panel, 0, given, sumsOf, actual, Groups))
                            AssertSame(sums, actual, tokens * Panels.Height);
                        int valueBytes = Columns * Panels.Height * (isSingle ? sizeof(float) : sizeof(ushort));
                        Buffer.MemoryCopy(unpacked, (byte*)room.Values + panel * WorkerScratch.ValueBytes, valueBytes, valueBytes);
                        int scaleBytes = Groups * panels.Kind.ScalesPerGroup * sizeof(float);
                        Buffer.MemoryCopy(scales, (byte*)room.Scales + panel * WorkerScratch.ScaleBytes, scaleBytes, scaleBytes);
                    }
                    if (!kernels.HasPairs || tokens > Kernels.PairTokens)
                        continue;
                    new Span<float>(room.SumsOf(0, 0), tokens * Panels.Height).Clear();
                    new Span<float>(room.SumsOf(0, 1), tokens * Panels.Height).Clear();
                    kernels.ScaledCodePair(panels.Kind, tokens, new PairArguments
                    {
                        Codes = (byte*)room.Values,
                        Scales = room.Scales,
                        Activations = (sbyte*)given,
                        Notes = sumsOf,
                        Sums = room.SumsOf(0, 0),
                        Groups = Groups,
                        Tiles = 1,
                    });
                    AssertSame(expected, room.SumsOf(0, 0), tokens * Panels.Height);
                    AssertSame(expected + tokens * Panels.Height, room.SumsOf(0, 1), tokens * Panels.Height);
                }
            }
        }
    }

    [Fact]
    [Trait(InstructionSetTests.Trait, "all")]
    public void Unpacked_points_are_the_decomposed_ones()
    {
        const int Columns = 768, Rows = Panels.Height + 3;
        Random random = new(4);
        using WorkerPool pool = new(1);
        sbyte[] quants = new sbyte[Columns];
        foreach (PointFormat format in WeightFormats.All.OfType<PointFormat>())
        {
            WeightData data = RandomWeights.Data(format, Columns, Rows, random, experts: 2);
            using PackedPoints panels = Assert.IsType<PackedPoints>(Panels.Load(data, pool));
            float[] scales = new float[Columns / format.GroupSize];
            for (int panel = 0; panel < 4; panel++)
            {
                foreach ((int start, int columns) in ((int, int)[])[(0, Columns), (256, 256), (512, 256)])
                {
                    using GuardedTensors memory = new();
                    int groups = columns / IntegerPanels.Group, parts = panels.Kind.Parts;
                    byte* room = memory.Allocate(columns * Panels.Height);
                    float* unpackedScales = (float*)memory.Allocate(groups * panels.Kind.ScalesPerGroup * sizeof(float));
                    byte* codes = panels.Unpack(panel, start, groups, room, unpackedScales);
                    for (int r = 0; r < (panel % 2 == 0 ? Panels.Height : Rows - Panels.Height); r++)
                    {
                        format.Decompose(data.Row(panel % 2 * Panels.Height + r, panel / 2), quants, scales, []);
                        for (int c = 0; c < columns; c++)
                        {
                            int code = codes[(c / 4 * Panels.Height + r) * 4 + c % 4];
                            Assert.Equal(quants[start + c], code - panels.Kind.Offset);
                        }
                        for (int g = 0; g < groups * parts; g++)
                            Assert.Equal(scales[start / format.GroupSize + g], unpackedScales[g * Panels.Height + r]);
                    }
                }
            }
        }
    }

    private static byte* RandomBytes(GuardedTensors memory, int count, Random random, int max)
    {
        byte* bytes = memory.Allocate(count);
        for (int i = 0; i < count; i++)
            bytes[i] = (byte)random.Next(max + 1);
        return bytes;
    }

    private static float* RandomFloats(GuardedTensors memory, int count, Random random)
    {
        float* floats = (float*)memory.Allocate(count * sizeof(float));
        for (int i = 0; i < count; i++)
            floats[i] = random.NextSingle() - 0.5f;
        return floats;
    }

    /// <summary>From -127 to 127, and often these themselves.</summary>
    private static sbyte* RandomActivations(GuardedTensors memory, int count, Random random)
    {
        sbyte* activations = (sbyte*)memory.Allocate(count);
        for (int i = 0; i < count; i++)
            activations[i] = (sbyte)Math.Clamp(random.Next(-160, 161), -127, 127);
        return activations;
    }

    // Scales and sums are floats; the starts between them are integers.
    private static float* RandomNotes(GuardedTensors memory, IntegerKind kind, int tokens, int groups, sbyte* activations, Random random)
    {
        float* notes = RandomFloats(memory, groups * kind.NotesPerGroup * tokens, random);
        for (int g = 0; g < groups; g++)
        {
            int* starts = (int*)notes + (g * kind.NotesPerGroup + 1) * tokens;
            for (int i = 0; i < kind.Parts * tokens; i++)
            {
                int sum = 0, quads = 8 / kind.Parts, part = i / tokens;
                for (int quad = part * quads; quad < (part + 1) * quads; quad++)
                {
                    for (int j = 0; j < 4; j++)
                        sum += activations[((g * 8 + quad) * tokens + i % tokens) * 4 + j];
                }
                starts[i] = Kernels.Magic - kind.Offset * sum;
            }
        }
        return notes;
    }

    private static byte* Copy(GuardedTensors memory, byte* source, int bytes)
    {
        byte* copy = memory.Allocate(bytes);
        Buffer.MemoryCopy(source, copy, bytes, bytes);
        return copy;
    }

    private static void AssertSame(float* expected, float* actual, int count) => Assert.Equal(
        MemoryMarshal.Cast<float, int>(new ReadOnlySpan<float>(expected, count)),
        MemoryMarshal.Cast<float, int>(new ReadOnlySpan<float>(actual, count)));
}
