using Sluice.Cli.Arguments;
using Sluice.Cli.Output;

namespace Sluice.Cli.Tests;

public class ParsingTests
{
    [Theory]
    [InlineData("1", 1)]
    [InlineData("2K", 2048)]
    [InlineData("512M", 512L << 20)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("2g", 2L << 30)]
    [InlineData("1T", 1L << 40)]
    public void Reads_sizes(string text, long expected)
    {
        Assert.True(Parsing.TryBytes(text, out long bytes));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-1G")]
    [InlineData("G")]
    [InlineData("1X")]
    [InlineData("1.2.3M")]
    [InlineData("99999999999999999T")]
    public void Refuses_what_is_no_size(string text) => Assert.False(Parsing.TryBytes(text, out _));

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(1023, "1023 bytes")]
    [InlineData(1536, "1.50 KiB")]
    [InlineData(762L << 20, "762.0 MiB")]
    [InlineData(3L << 30, "3.00 GiB")]
    public void Writes_sizes(long bytes, string expected) => Assert.Equal(expected, Numbers.Bytes(bytes));
}
