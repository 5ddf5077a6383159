namespace Sluice.Tensors.Cpu;

public class PeakTests
{
    /// <summary>Every instruction set's loops run, and count what they do.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(KernelsTests.AllKernels), MemberType = typeof(KernelsTests))]
    public void Peaks_count_their_products(string name)
    {
        Kernels kernels = Kernels.Best(name);
        Assert.True(kernels.FloatPeak(1) >= 10);
        Assert.Equal(4 * kernels.FloatPeak(1), kernels.IntegerPeak(1)); // four bytes to a float's lane
        Assert.Equal(1000 * kernels.IntegerPeak(1), kernels.IntegerPeak(1000));
        if (kernels.HasBFloat16)
            Assert.Equal(2 * kernels.FloatPeak(1), kernels.BFloat16Peak(1));
    }

    [Theory]
    [InlineData(1000, 10, 10, Bound.Memory, 10)]
    [InlineData(1000, 2000, 100, Bound.Int8, 21)]
    [InlineData(1000, 500, 1000, Bound.Float32, 15)]
    [InlineData(0, 0, 50, Bound.Float32, 0.5)]
    public void The_slower_of_memory_and_arithmetic_is_the_limit(double bytes, double int8, double float32, Bound bound, double seconds)
    {
        MachineLimits limits = new(2, "any", new Rate(60, 100), new Rate(50, 100), new Rate(50, 100), null);
        Assert.Equal((seconds, bound), limits.LeastTime(bytes, int8, float32));
    }

    [Fact]
    public void Products_of_bfloat16_are_measured_by_their_own_peak_where_there_is_one()
    {
        MachineLimits without = new(2, "any", new Rate(60, 100), new Rate(50, 100), new Rate(50, 100), null);
        MachineLimits with = without with { BFloat16 = new Rate(100, 200) };
        Assert.Equal((11, Bound.BFloat16), with.LeastTime(0, 100, 400, 1200));
        Assert.Equal((17, Bound.Float32), without.LeastTime(0, 100, 400, 1200));
        Assert.Equal((12, Bound.Memory), with.LeastTime(1200, 100, 400, 1200));
    }

    [Theory]
    [InlineData(100, 100, false)]
    [InlineData(60, 100, true)]
    [InlineData(100, 60, true)]
    public void Threads_that_had_no_core_each_are_told(double int8, double float32, bool isDisturbed) => Assert.Equal(
        isDisturbed, new MachineLimits(2, "any", new Rate(60, 60), new Rate(50, int8), new Rate(50, float32), null).IsDisturbed);
}
