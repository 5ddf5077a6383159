namespace Sluice.Tensors.KvFormats;

[Trait(InstructionSetTests.Trait, "all")]
public unsafe class KvFormatsTests
{
    public static TheoryData<string> Names => [.. KvFormats.All.Select(format => format.Name)];

    [Fact]
    public void Every_format_class_is_in_the_list()
    {
        IEnumerable<Type> classes = typeof(KvFormat).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(KvFormat)) && !t.IsAbstract);
        Assert.Equal(
            classes.Select(t => t.Name).Order(StringComparer.Ordinal),
            KvFormats.All.Select(f => f.GetType().Name).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(KvFormats.All.Count, KvFormats.All.Select(f => f.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count());
    }

    [Fact]
    public void Formats_are_found_by_name()
    {
        foreach (KvFormat format in KvFormats.All)
            Assert.Same(format, KvFormats.Get(format.Name.ToUpperInvariant()));
        Assert.Contains("f16", Assert.Throws<ArgumentException>(() => KvFormats.Get("f17")).Message);
    }

    /// <summary>Rows come back at their slots, keys transposed, and writing one leaves the others as they were.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Rows_come_back(string name)
    {
        KvFormat format = KvFormats.Get(name);
        Random random = new(11);
        foreach (int dimension in new[] { 1, 2, 5, 8, 16, 31, 64, 80, 128, 257, 576 })
        {
            using GuardedTensors memory = new();
            Assert.Equal(0, format.TileBytes(dimension) % 64);
            byte* keys = memory.Allocate(format.TileBytes(dimension)), values = memory.Allocate(format.TileBytes(dimension));
            float* buffer = (float*)memory.Allocate(dimension * KvFormat.BlockSize * sizeof(float));
            Tensor rows = memory.Random(random, KvFormat.BlockSize, dimension);
            foreach (int slot in Enumerable.Range(0, KvFormat.BlockSize).OrderBy(_ => random.Next()))
            {
                format.WriteKey(rows[slot], keys, slot);
                format.WriteValue(rows[slot], values, slot);
            }
            float* read = format.ReadKeys(keys, dimension, buffer);
            float[] row = new float[dimension];
            for (int slot = 0; slot < KvFormat.BlockSize; slot++)
            {
                for (int d = 0; d < dimension; d++)
                    row[d] = read[(d * KvFormat.BlockSize) + slot];
                AssertNear(rows[slot], row);
            }
            foreach (int slots in new[] { 0, 1, 7, KvFormat.BlockSize })
            {
                read = format.ReadValues(values, dimension, slots, buffer);
                for (int slot = 0; slot < slots; slot++)
                {
                    new ReadOnlySpan<float>(read + (slot * dimension), dimension).CopyTo(row);
                    AssertNear(rows[slot], row);
                }
            }
        }

        // Of floats the coarsest keeps 8 bits of the fraction; integers err by half a step, a share of their group's range (here: the
        // row's), and once rotated, each by about as much as all of the row's values.
        void AssertNear(ReadOnlySpan<float> expected, float[] actual)
        {
            format.RotateBack(actual);
            float largest = 0, squares = 0, error = 0;
            foreach (float value in expected)
                (largest, squares) = (MathF.Max(largest, MathF.Abs(value)), squares + value * value);
            float step = name.StartsWith("q8", StringComparison.Ordinal) ? 1f / 127 : name.StartsWith("q4_1", StringComparison.Ordinal) ? 2f / 15 : 1f / 8;
            for (int d = 0; d < actual.Length; d++)
            {
                float limit = name[0] != 'q' ? MathF.Abs(expected[d]) / 256 + 1e-7f
                    : name.EndsWith("rotated", StringComparison.Ordinal) ? MathF.Sqrt(squares) * step
                    : largest * step * (name.StartsWith("q4_0", StringComparison.Ordinal) ? 1.01f : 0.51f); // the highest code of q4_0 is 7
                error += (expected[d] - actual[d]) * (expected[d] - actual[d]);
                Assert.True(MathF.Abs(expected[d] - actual[d]) <= limit, $"{actual[d]:R}, expected {expected[d]:R}, at most {limit} off");
            }
            Assert.True(error <= squares * (name.StartsWith("q4", StringComparison.Ordinal) ? 0.02f : 1e-4f), $"{error} of {squares}");
        }
    }

    /// <summary>With an outlier in a row, whose group has its scale, rotated rows keep more of the other values.</summary>
    [Fact]
    public void Rotation_saves_the_values_beside_an_outlier()
    {
        Random random = new(12);
        const int Dimension = 64;
        foreach (string packed in new[] { "q4_0", "q4_1" })
        {
            float Error(KvFormat format)
            {
                using GuardedTensors memory = new();
                byte* tile = memory.Allocate(format.TileBytes(Dimension));
                float* buffer = (float*)memory.Allocate(Dimension * KvFormat.BlockSize * sizeof(float));
                Tensor rows = memory.Random(random, KvFormat.BlockSize, Dimension);
                float error = 0, squares = 0;
                for (int slot = 0; slot < KvFormat.BlockSize; slot++)
                {
                    rows[slot][slot % Dimension] = 20;
                    format.WriteValue(rows[slot], tile, slot);
                }
                float* read = format.ReadValues(tile, Dimension, KvFormat.BlockSize, buffer);
                for (int slot = 0; slot < KvFormat.BlockSize; slot++)
                {
                    Span<float> row = new(read + (slot * Dimension), Dimension);
                    format.RotateBack(row);
                    for (int d = 0; d < Dimension; d++)
                    {
                        float off = d == slot % Dimension ? 0 : row[d] - rows[slot][d];
                        (error, squares) = (error + off * off, squares + (d == slot % Dimension ? 0 : rows[slot][d] * rows[slot][d]));
                    }
                }
                return error / squares;
            }
            float plain = Error(KvFormats.Get(packed)), rotated = Error(KvFormats.Get(packed + "-rotated"));
            Assert.True(rotated < 0.8f * plain, $"{packed}: {rotated} rotated, {plain} as they are");
        }
    }
}
