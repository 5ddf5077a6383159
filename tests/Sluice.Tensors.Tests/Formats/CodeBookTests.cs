using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Sluice.Tensors.Formats;

public class CodeBookTests
{
    // SHA-256 of the published tables, one byte per weight: the golden files use only some of the points.
    [Theory]
    [InlineData("IQ1", "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a")]
    [InlineData("IQ2_XXS", "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54")]
    [InlineData("IQ2_XS", "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de")]
    [InlineData("IQ2_S", "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88")]
    [InlineData("IQ3_XXS", "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d")]
    [InlineData("IQ3_S", "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f")]
    public void Unpacked_tables_are_the_published_ones(string name, string sha256)
    {
        sbyte[] points = name switch
        {
            "IQ1" => [.. IQ1Grid.Points.Points.ToArray().Select(p => (sbyte)(p / 8))],
            "IQ2_XXS" => IQ2Grids.Xxs.Points.ToArray(),
            "IQ2_XS" => IQ2Grids.Xs.Points.ToArray(),
            "IQ2_S" => IQ2Grids.S.Points.ToArray(),
            "IQ3_XXS" => IQ3Grids.Xxs.Points.ToArray(),
            _ => IQ3Grids.S.Points.ToArray(),
        };
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(points.AsSpan()))));
    }

    [Fact]
    public void Signs_negate_their_weights_alone()
    {
        for (int signs = 0; signs < 256; signs++)
        {
            sbyte[] weights = [1, 43, 62, 8, 15, 1, 25, 62];
            sbyte[] expected = [.. weights.Select((w, i) => (signs >> i & 1) != 0 ? (sbyte)-w : w)];
            CodeBook.Negate((byte)signs, weights);
            Assert.Equal(expected, weights);
        }
    }

    [Fact]
    public void The_eighth_sign_makes_the_number_of_signs_even()
    {
        for (uint seven = 0; seven < 128; seven++)
        {
            byte signs = CodeBook.EvenSigns(seven);
            Assert.Equal(seven, signs & 127u);
            Assert.Equal(0, BitOperations.PopCount(signs) % 2);
        }
    }
}
