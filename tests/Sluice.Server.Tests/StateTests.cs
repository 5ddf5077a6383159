using System.Globalization;
using System.Text.Json;

namespace Sluice.Server.Tests;

public class StateTests
{
    [Fact]
    public async Task MetricsCountWhatWasServed()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        await server.PostAsync("/v1/completions", """{"prompt":"Once","max_tokens":5,"ignore_eos":true}""");
        await server.ComesToRestAsync();
        string page = await server.Http.GetStringAsync("/metrics");
        string labels = $"{{model_name=\"{RunningServer.Model}\"}}";
        foreach (string prefix in (string[])["vllm:", "sluice_"])
        {
            Assert.Contains($"\n{prefix}generation_tokens_total{labels} 5\n", page);
            Assert.Contains($"\n{prefix}num_requests_running{labels} 0\n", page);
            Assert.Contains($"\n{prefix}time_to_first_token_seconds_count{labels} 1\n", page);
            Assert.Contains($"\n{prefix}inter_token_latency_seconds_count{labels} 4\n", page);
            Assert.Contains($"\n{prefix}e2e_request_latency_seconds_count{labels} 1\n", page);
            Assert.Contains($"{prefix}request_success_total{{model_name=\"{RunningServer.Model}\",finished_reason=\"length\"}} 1\n", page);
        }
        JsonElement load = await server.GetAsync("/load");
        Assert.Equal(5, load.GetProperty("generation_tokens").GetInt64());
        Assert.InRange(load.GetProperty("kv_blocks").GetInt32(), 1, int.MaxValue);
    }

    [Fact]
    public async Task MetricsCountPrefixesFoundAgain()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string body = $$"""{"prompt":"{{string.Concat(Enumerable.Repeat("Once there was a dog. ", 30))}}","max_tokens":2,"priority":3}""";
        await server.PostAsync("/v1/completions", body);
        await server.PostAsync("/v1/completions", body);
        await server.ComesToRestAsync();
        string page = await server.Http.GetStringAsync("/metrics");
        foreach (string prefix in (string[])["vllm:", "sluice_"])
        {
            Assert.InRange(Read(prefix + "prefix_cache_hits_total"), 32, Read(prefix + "prefix_cache_queries_total") / 2);
            Assert.Equal(0, Read(prefix + "num_preemptions_total"));
        }

        int Read(string name) => int.Parse(
            page.Split('\n').Single(line => line.StartsWith(name + "{", StringComparison.Ordinal)).Split(' ')[^1], CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData("/v1/models/makers/model")]
    [InlineData("/v1/models/makers%2Fmodel")]
    public async Task NamesOfModelsMayHaveSlashes(string path)
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { ModelName = "makers/model" });
        Assert.Equal("makers/model", (await server.GetAsync(path)).GetProperty("id").GetString());
        Assert.Equal("model_not_found", (await server.GetAsync(path + "s")).GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task ModelsAndPagesAreThere()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Assert.Equal(RunningServer.Model, (await server.GetAsync("/v1/models")).GetProperty("data")[0].GetProperty("id").GetString());
        Assert.Equal("model", (await server.GetAsync("/v1/models/" + RunningServer.Model)).GetProperty("object").GetString());
        Assert.Equal("not_found", (await server.GetAsync("/v1/nothing")).GetProperty("error").GetProperty("code").GetString());
        foreach (string page in (string[])["/", "/dashboard"])
        {
            string html = await server.Http.GetStringAsync(page);
            Assert.StartsWith("<!doctype html>", html);
            Assert.DoesNotContain("http://", html);
            Assert.DoesNotContain("https://", html);
        }
    }
}
