using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>Counts live memory, so it runs alone.</summary>
[Collection(nameof(Alone))]
public class LeakTests
{
    [Fact]
    public void Buffers_come_home()
    {
        long before = NativeBuffer.LiveBytes;
        using (CpuOps ops = new(2, Kernels.Best()))
        {
            Random random = new(7);
            Weight weight = ops.LoadWeight(RandomWeights.Data(WeightFormats.Get("Q4_K"), 256, 20, random));
            using ScratchScope scope = ops.Scratch();
            ops.Linear(ops.Allocate(3, 256), weight);
            WeightData bad = WeightData.FromBytes("infinite", WeightFormats.Get("Q8_0"), 32, 1, 1, [0, 0x7C, .. new byte[32]]);
            Assert.Contains("infinite", Assert.Throws<InvalidDataException>(() => ops.LoadWeight(bad)).Message);
        }
        Assert.Equal(before, NativeBuffer.LiveBytes);
    }
}

/// <summary>Tests that nothing else may run beside.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public class Alone;
