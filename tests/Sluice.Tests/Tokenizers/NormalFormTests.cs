using System.Text;
using CsCheck;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers;

public class NormalFormTests
{
    [Theory]
    [InlineData("e\u0301", "é")]
    [InlineData("a\u0323\u0307", "ạ\u0307")]
    [InlineData("a\u0307\u0323", "ạ\u0307")] // out of order
    [InlineData("\u1112\u1161\u11AB", "한")]
    [InlineData("\uAC00\u11A8", "각")]
    [InlineData("\u212B", "Å")] // ångström sign
    [InlineData("\u0958", "\u0915\u093C")] // excluded from composition
    [InlineData("\uFB1D", "\u05D9\u05B4")]
    [InlineData("q\u0301\u0301", "q\u0301\u0301")]
    [InlineData("\u0301e", "\u0301e")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("plain text, 中文", "plain text, 中文")]
    public void Composes(string text, string composed)
    {
        Assert.Equal(composed, Compose(text));
        Assert.Equal(composed, Compose(composed));
    }

    [Fact]
    public void What_is_surely_composed_does_not_change() =>
        Gen.Int[1, 0x2FA1F].Where(c => c is < 0xD800 or > 0xDFFF).Array[0, 8].Sample(characters =>
        {
            string text = string.Concat(characters.Select(char.ConvertFromUtf32));
            if (NormalForm.IsComposed(Encoding.UTF8.GetBytes(text)))
                Assert.Equal(text, Compose(text));
        }, iter: 5_000);

    private static string Compose(string text) => Encoding.UTF8.GetString(NormalForm.Compose(Encoding.UTF8.GetBytes(text)));
}
