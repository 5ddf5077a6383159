using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Sluice.TestData;

namespace Sluice.Tensors;

/// <summary>Runs the kernels' tests again with instruction sets switched off: those that carry <see cref="Trait"/>.</summary>
public class InstructionSetTests
{
    /// <summary>The trait of tests that are run for every instruction set.</summary>
    public const string Trait = "kernels";

    private const string Expected = "SLUICE_TEST_VECTOR_BITS";

    /// <summary>Whether this is such a run.</summary>
    public static bool IsSwitchedOff => Environment.GetEnvironmentVariable(Expected) is not null;

    [Theory]
    [InlineData("DOTNET_EnableAVX512v2", 512)]
    [InlineData("DOTNET_EnableAVX512", 256)]
    [InlineData("DOTNET_EnableAVX2", 128)]
    [InlineData("DOTNET_EnableHWIntrinsic", 0)]
    public void Kernels_are_right_without(string feature, int bits)
    {
        if (!Avx2.IsSupported)
            Assert.Skip("needs a processor with AVX2 to switch it off");
        if (IsSwitchedOff)
            return; // this is that process
        TestProcess.Run(
            ["-trait", $"{Trait}=all"],
            [(feature, "0"), (Expected, bits.ToString(System.Globalization.CultureInfo.InvariantCulture))]);
    }

    [Fact]
    [Trait(Trait, "all")]
    public void The_vectors_are_those_expected()
    {
        int bits = Vector512.IsHardwareAccelerated ? 512
            : Vector256.IsHardwareAccelerated ? 256
            : Vector128.IsHardwareAccelerated ? 128
            : 0;
        if (Environment.GetEnvironmentVariable(Expected) is string expected)
            Assert.Equal(expected, bits.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }
}
