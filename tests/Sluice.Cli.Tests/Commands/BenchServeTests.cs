using System.Text.Json;
using System.Xml.Linq;

namespace Sluice.Cli.Tests.Commands;

public class BenchServeTests
{
    [Fact]
    public void Measures_a_server_that_it_starts()
    {
        using TemporaryFolder folder = new();
        string plot = folder.File("times.svg");
        string output = SluiceProcess.Run(
            "bench", "serve", "--input", "10-20", "--output", "4-8", "-n", "12", "--clients", "3", "--shared-prefix", "40",
            "--goodput", "ttft:60000,e2e:60000", "--plot", plot, "--json", "--", "-t", "1").Succeeded().Output;
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement report = json.RootElement;
        Assert.Equal((12, 0, 0), (report.GetProperty("requests").GetInt32(), report.GetProperty("failed").GetInt32(), report.GetProperty("short").GetInt32()));
        Assert.InRange(report.GetProperty("inputTokens").GetInt32(), 12 * 50, 12 * 60);
        Assert.InRange(report.GetProperty("outputTokens").GetInt32(), 12 * 4, 12 * 8); // the whole length, whatever the model would end with
        Assert.True(report.GetProperty("totalTokensPerSecond").GetDouble() > 0);
        Assert.Equal(1, report.GetProperty("goodput").GetDouble());
        foreach (string times in (string[])["ttft", "tpot", "itl", "e2e"])
            Assert.True(report.GetProperty(times).GetProperty("max").GetDouble() >= report.GetProperty(times).GetProperty("p50").GetDouble());
        XDocument svg = XDocument.Load(plot);
        Assert.Contains("end to end", svg.Descendants().Where(element => element.Name.LocalName == "text").Select(element => element.Value));
    }

    [Fact]
    public void Measures_made_up_weights_that_arrive_as_a_trace_says()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("trace.csv"), "arrival,input,output\n0,5,2\n100,6,3\n200,100000000,2\n");
        SluiceProcess.Result result = SluiceProcess.Run(
            ["bench", "serve", "--shape", "stories-15m", "--type", "Q8_0", "--trace", folder.File("trace.csv"), "--speed", "1000", "-n", "2", "--", "-t", "1"],
            "", null, ("TMPDIR", folder.Path));
        Assert.Contains("2 requests", result.Succeeded().Output);
        Assert.Contains("time to first token", result.Output);
        Assert.Empty(Directory.GetFiles(folder.Path, "*.gguf"));
    }

    [Fact]
    public void Requests_that_fail_are_counted_and_the_reason_is_said()
    {
        SluiceProcess.Result result = SluiceProcess.Run(
            "bench", "serve", "--model", TestModel.Path, "--input", "400-600", "--output", "2", "-n", "8", "--words", "--", "-t", "1", "--context", "50");
        Assert.Equal(1, result.ExitCode); // not one was answered
        Assert.Contains("8 requests failed, the first with: 400", result.Output);
    }

    [Theory]
    [InlineData("--url", "localhost")]
    [InlineData("--url", "http://localhost:1", "--model", "x")]
    [InlineData("--url", "http://localhost:1", "--", "-t", "1")]
    [InlineData("--rate", "2", "--clients", "2")]
    [InlineData("--rate", "0")]
    [InlineData("--input", "5-4")]
    [InlineData("--plot", "times.png")]
    [InlineData("--goodput", "fast")]
    [InlineData("--speed", "2")]
    public void Wrong_use_is_refused(params string[] args) => SluiceProcess.Run(["bench", "serve", .. args]).Failed(2);

    [Fact]
    public void A_server_that_does_not_answer_is_said() =>
        SluiceProcess.Run("bench", "serve", "--url", "http://127.0.0.1:1").Failed(1, "127.0.0.1:1");

    [Fact]
    public void What_keeps_a_server_from_starting_is_said() =>
        Assert.Contains("nowhere.gguf", SluiceProcess.Run("bench", "serve", "--model", "nowhere.gguf").Error);
}
