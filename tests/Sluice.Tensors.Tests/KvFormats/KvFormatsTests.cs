namespace Sluice.Tensors.KvFormats;

[Trait(InstructionSetTests.Trait, "all")]
public unsafe class KvFormatsTests
{
    public static TheoryData<string> Names => [.. KvFormats.All.Select(format => format.Name)];

    [Fact]
    public void Every_format_class_is_in_the_list_once()
    {
        IEnumerable<Type> classes = typeof(KvFormat).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(KvFormat)) && !t.IsAbstract);
        Assert.Equal(
            classes.Select(t => t.Name).Order(StringComparer.Ordinal),
            KvFormats.All.Select(f => f.GetType().Name).Order(StringComparer.Ordinal));
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
            for (int slot = 0; slot < KvFormat.BlockSize; slot++)
            {
                for (int d = 0; d < dimension; d++)
                    AssertNear(rows[slot][d], read[(d * KvFormat.BlockSize) + slot]);
            }
            foreach (int slots in new[] { 0, 1, 7, KvFormat.BlockSize })
            {
                read = format.ReadValues(values, dimension, slots, buffer);
                for (int i = 0; i < slots * dimension; i++)
                    AssertNear(rows[i / dimension][i % dimension], read[i]);
            }
        }

        // The coarsest format here keeps 8 bits of the fraction.
        static void AssertNear(float expected, float actual) =>
            Assert.True(MathF.Abs(expected - actual) <= MathF.Abs(expected) / 256 + 1e-7f, $"{actual:R}, expected {expected:R}");
    }
}
