using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>The kernels for AMX, which the machines of this project do not have: their machine code is emulated.</summary>
public unsafe class AmxTests
{
    private static readonly bool IsPossible = VnniKernels.IsSupported; // the rest of the kernels is AVX-512

    public static TheoryData<string> Formats => ["Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K", "Q2_K", "IQ2_XXS", "MXFP4", "NVFP4"];

    [Theory]
    [MemberData(nameof(Formats))]
    public void Equals_the_definition(string name)
    {
        Assert.SkipUnless(IsPossible, "needs AVX-512 VNNI");
        WeightFormat format = WeightFormats.Get(name);
        Random random = new(3);
        EmulatedKernels kernels = new();
        using CpuOps ops = new(1, kernels);
        using ScalarOps scalar = new();
        using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
        const int Rows = 64, Columns = 768;
        WeightData data = RandomWeights.Data(format, Columns, Rows, random);
        Weight weight = ops.LoadWeight(data);
        Tensor x = LinearTests.RandomTensor(scalar, 96, Columns, random), expected = scalar.Linear(x, scalar.LoadWeight(data));
        foreach (int tokens in (int[])[65, 79, 80, 96])
            LinearTests.AssertSame(expected, ops.Linear(LinearTests.Rows(x, tokens), weight), $"{tokens} tokens");
        Assert.True(kernels.Products > 0);
        int before = kernels.Products;
        Tensor gated = ops.GatedLinear(Activation.Silu, x, weight);
        LinearTests.AssertSame(ops.Gate(Activation.Silu, expected.ColumnRange(0, Rows / 2), expected.ColumnRange(Rows / 2, Rows / 2)), gated, "gated");
        Assert.True(kernels.Products > before);
    }

    [Fact]
    public void Experts_go_through_tiles_too()
    {
        Assert.SkipUnless(IsPossible, "needs AVX-512 VNNI");
        Random random = new(4);
        EmulatedKernels kernels = new();
        using CpuOps ops = new(1, kernels);
        using ScalarOps scalar = new();
        using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
        WeightData data = RandomWeights.Data(WeightFormats.Get("Q4_K"), 256, 32, random, experts: 3);
        Tensor x = LinearTests.RandomTensor(scalar, 210, 256, random), logits = LinearTests.RandomTensor(scalar, 210, 3, random);
        Routing routing = scalar.Route(logits, new Router(1, Gating.Softmax));
        Tensor expected = scalar.ExpertLinear(x, scalar.LoadWeight(data), routing);
        LinearTests.AssertSame(expected, ops.ExpertLinear(x, ops.LoadWeight(data), routing), "experts");
        Assert.True(kernels.Products > 0);
    }

    /// <summary>AMX's kernels on an emulator, all others as the processor has them.</summary>
    private sealed class EmulatedKernels() : AmxKernels(VnniKernels.IsBFloat16Supported)
    {
        public int Products { get; private set; }

        public override void IntegerTiles(in IntegerKind kind, int tokens, in PairArguments arguments)
        {
            TileEmulator emulator = new();
            fixed (PairArguments* given = &arguments)
                emulator.Call(Kernel(kind, tokens), (nint)given);
            Products += emulator.Products;
        }
    }
}
