using System.Security.Cryptography;

namespace Sluice.Tensors.Formats;

public class QuantizeTests
{
    public static TheoryData<string> Writable => new(WeightFormats.All.Where(f => f.CanQuantize).Select(f => f.Name));

    private static readonly string[] Deterministic = ["Q4_0", "Q5_0", "Q8_0", "Q6_K", "TQ1_0", "TQ2_0", "MXFP4"];

    public static TheoryData<string, bool> Exact => new(GoldenQuant.All.Where(IsExact).Select(g => (g.Type, g.Imatrix)));

    public static TheoryData<string, bool> Searched => new(GoldenQuant.All.Where(golden => !IsExact(golden)).Select(g => (g.Type, g.Imatrix)));

    [Fact]
    public void Every_golden_type_can_be_written() =>
        Assert.All(GoldenQuant.All, golden => Assert.True(golden.Format.CanQuantize, golden.Type));

    [Theory]
    [MemberData(nameof(Exact))]
    public void Same_bytes_as_the_independent_implementation(string type, bool imatrix)
    {
        GoldenQuant golden = GoldenQuant.Find(type, imatrix);
        Assert.Equal(golden.Bytes, Quantize(golden.Format, imatrix));
    }

    /// <summary>Most are far below the limit: 0.3 (IQ1 and NVFP4) to 0.96.</summary>
    [Theory]
    [MemberData(nameof(Searched))]
    public void No_more_error_than_the_independent_implementation(string type, bool imatrix)
    {
        GoldenQuant golden = GoldenQuant.Find(type, imatrix);
        float[] values = new float[GoldenQuant.Input.Length];
        golden.Format.Dequantize(Quantize(golden.Format, imatrix), values);
        double plain = GoldenQuant.Error(values, weighted: false) / golden.Nmse;
        double weighted = GoldenQuant.Error(values, weighted: true) / golden.WeightedNmse;
        Assert.True((imatrix ? weighted : plain) < 0.97, $"{plain} {weighted}");
        Assert.True(weighted < 1.02, $"{plain} {weighted}");
    }

    /// <summary>
    /// Searches do their float operations in one order, whatever the vectors' width. The number changes when a search does, and only then.
    /// </summary>
    [Fact]
    [Trait(InstructionSetTests.Trait, "all")]
    public void Bytes_are_the_same_on_every_machine()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (WeightFormat format in WeightFormats.All.Where(format => format.CanQuantize))
        {
            hash.AppendData(Quantize(format, imatrix: false));
            hash.AppendData(Quantize(format, imatrix: true));
        }
        Assert.Equal("7CED3A03B5C65EDE", Convert.ToHexString(hash.GetHashAndReset())[..16]);
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void Quantizing_what_was_quantized_changes_little(string name)
    {
        WeightFormat format = WeightFormats.Get(name);
        float[] once = RoundTrip(name, GoldenQuant.Input), twice = RoundTrip(name, once);
        double loss = Distance(once, twice), first = Distance(GoldenQuant.Input, once);
        Assert.True(loss <= first, $"{loss} after {first}");
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void A_power_of_two_times_the_values_gives_the_same_errors(string name)
    {
        // NVFP4's scales have a range of their own, of 4 exponent bits.
        if (name == "NVFP4")
            return;
        float[] values = GoldenQuant.Input;
        double error = Distance(values, RoundTrip(name, values));
        float[] scaled = [.. values.Select(value => value * 64)];
        Assert.Equal(error, Distance(scaled, RoundTrip(name, scaled)) / (64 * 64), error * 0.02 + 1e-9);
    }

    private static bool IsExact(GoldenQuant golden) =>
        Deterministic.Contains(golden.Type, StringComparer.OrdinalIgnoreCase)
        || (!golden.Imatrix && golden.Type.ToUpperInvariant() is "Q4_1" or "Q5_1" or "Q1_0");

    private static double Distance(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Pow((double)x - y, 2)).Sum();

    [Fact]
    public void F32_is_kept_and_F16_and_BF16_round_to_even()
    {
        float[] values = [1, -0f, 65519.99f, 65520, 1 + 1f / 2048, 1 + 3f / 2048, 1 + 1f / 256, 1 + 3f / 256, 6e-8f];
        Assert.Equal(values, RoundTrip("F32", values));
        Assert.Equal(
            [1, -0f, 65504, float.PositiveInfinity, 1, 1 + 2f / 1024, 1 + 1f / 256, 1 + 3f / 256, 5.9604645e-8f],
            RoundTrip("F16", values));
        Assert.Equal([1, -0f, 65536, 65536, 1, 1, 1, 1 + 2f / 128], RoundTrip("BF16", values[..8]));
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void Zeros_stay_zeros_whatever_the_buffer_held(string name)
    {
        WeightFormat format = WeightFormats.Get(name);
        byte[] bytes = new byte[format.BlockBytes * 3];
        float[] values = new float[format.BlockSize * 3];
        foreach (float[] importance in new float[][] { [], [.. values.Select((_, i) => (float)(i % 5))] })
        {
            Array.Fill(bytes, (byte)0xA7);
            format.Quantize(values, bytes, importance);
            float[] back = [.. values.Select(_ => 1f)];
            format.Dequantize(bytes, back);
            Assert.All(back, value => Assert.Equal(0, value));
        }
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void Every_scale_of_values_is_met_within_the_format_s_step(string name)
    {
        WeightFormat format = WeightFormats.Get(name);
        Random random = new(3);
        for (int exponent = -2; exponent <= 3; exponent++)
        {
            float[] values = [.. Enumerable.Range(0, format.BlockSize * 2)
                .Select(_ => (float)((random.NextDouble() * 2 - 1) * Math.Pow(10, exponent)))];
            float[] back = RoundTrip(name, values);
            double error = values.Zip(back, (a, b) => Math.Pow(a - b, 2)).Sum() / values.Sum(a => (double)a * a);
            // Uniform values in 2^bits steps: 2^-2bits of their variance; a bit and more of each weight are scales and code books' loss.
            double limit = 3 * Math.Pow(2, -2 * (format.Integer is null ? 8 : format.BitsPerWeight - 1));
            Assert.True(error < limit, $"1e{exponent}: {error} against {limit}");
        }
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void A_block_without_any_importance_is_encoded_as_usual(string name)
    {
        WeightFormat format = WeightFormats.Get(name);
        float[] values = [.. Enumerable.Range(0, format.BlockSize).Select(i => MathF.Sin(i + 1))];
        byte[] usual = new byte[format.BlockBytes], without = new byte[format.BlockBytes];
        format.Quantize(values, usual);
        format.Quantize(values, without, new float[values.Length]);
        Assert.Equal(usual, without);
    }

    [Theory]
    [MemberData(nameof(Writable))]
    public void Infinities_and_NaN_do_not_throw(string name)
    {
        WeightFormat format = WeightFormats.Get(name);
        foreach (float odd in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon })
        {
            float[] values = [.. Enumerable.Range(0, format.BlockSize).Select(i => i % 7 == 3 ? odd : i)];
            float[] importance = [.. values.Select((_, i) => i % 3 + 0.5f)];
            byte[] bytes = new byte[format.BlockBytes];
            format.Quantize(values, bytes);
            format.Quantize(values, bytes, importance);
        }
    }

    [Fact]
    public void Lengths_that_do_not_go_together_are_refused()
    {
        WeightFormat format = WeightFormats.Get("Q4_K");
        Assert.Throws<ArgumentException>(() => format.Quantize(new float[256], new byte[288]));
        Assert.Throws<ArgumentException>(() => format.Quantize(new float[255], new byte[144]));
        Assert.Throws<ArgumentException>(() => format.Quantize(new float[256], new byte[144], new float[32]));
    }

    [Fact]
    public void A_format_that_cannot_be_written_says_so()
    {
        WeightFormat format = WeightFormats.All.First(f => !f.CanQuantize);
        Assert.Contains(format.Name, Assert.Throws<NotSupportedException>(() =>
            format.Quantize(new float[format.BlockSize], new byte[format.BlockBytes])).Message);
    }

    private static float[] RoundTrip(string name, float[] values)
    {
        WeightFormat format = WeightFormats.Get(name);
        byte[] bytes = new byte[format.Bytes(values.Length)];
        format.Quantize(values, bytes);
        float[] back = new float[values.Length];
        format.Dequantize(bytes, back);
        return back;
    }

    // Row by row, as an importance matrix's row belongs to a row.
    private static byte[] Quantize(WeightFormat format, bool imatrix)
    {
        int columns = GoldenQuant.Importance.Length, rows = GoldenQuant.Input.Length / columns;
        int rowBytes = (int)format.Bytes(columns);
        byte[] bytes = new byte[rows * rowBytes];
        for (int row = 0; row < rows; row++)
        {
            format.Quantize(
                GoldenQuant.Input.AsSpan(row * columns, columns), bytes.AsSpan(row * rowBytes, rowBytes),
                imatrix ? GoldenQuant.Importance : []);
        }
        return bytes;
    }
}
