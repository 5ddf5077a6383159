using System.Diagnostics;
using System.Text.Json;

namespace Sluice.Cli.Tests.Commands;

public class ServeLogTests
{
    [Fact]
    public async Task Json_logs_are_an_object_a_line()
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "sluice.dll"), "serve", "--port", "0", "--threads", "1", "--log-format", "json"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        try
        {
            string? line;
            do
                line = await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken);
            while (line?.StartsWith("Serving at ", StringComparison.Ordinal) == false);
            using HttpClient http = new() { BaseAddress = new Uri(line!["Serving at ".Length..]) };
            using StringContent body = new("""{"prompt":"swordfish","max_tokens":3,"ignore_eos":true}""");
            using HttpResponseMessage answer = await http.PostAsync("/v1/completions", body, TestContext.Current.CancellationToken);
            answer.EnsureSuccessStatusCode();
            string written = (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!;
            JsonElement entry = JsonDocument.Parse(written).RootElement;
            JsonElement state = entry.GetProperty("State");
            Assert.Equal("Information", entry.GetProperty("LogLevel").GetString());
            Assert.Equal(answer.Headers.GetValues("X-Request-Id").Single(), state.GetProperty("RequestId").GetString());
            Assert.Equal(200, state.GetProperty("Status").GetInt32());
            Assert.Equal(3, state.GetProperty("GeneratedTokens").GetInt32());
            Assert.Equal("length", state.GetProperty("Finish").GetString());
            Assert.DoesNotContain("swordfish", written);
        }
        finally
        {
            process.Kill();
        }
    }

    [Theory]
    [InlineData("--log-level takes one of trace, debug, information", "--log-level", "loud")]
    [InlineData("--log-format takes one of text, json", "--log-format", "xml")]
    [InlineData("--otlp-endpoint takes an address such as", "--otlp-endpoint", "collector")]
    public void Wrong_options_are_told(string said, params string[] args) => SluiceProcess.Run(["serve", .. args]).Failed(2, said);
}
