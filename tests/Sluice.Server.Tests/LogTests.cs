using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Sluice.Server.Tests;

public class LogTests
{
    private const string Secret = "the-password-is-swordfish", Key = "sk-very-secret-key";

    [Fact]
    public async Task ALineTellsOfEachRequestAndNothingThatWasWritten()
    {
        using CollectedLog log = new();
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { ApiKeys = [Key], LogLevel = LogLevel.Trace }, configure: log.Use);
        server.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
        HttpResponseMessage answer = await SendAsync("/v1/chat/completions",
            $$"""{"messages":[{"role":"user","content":"{{Secret}}"}],"max_tokens":5,"ignore_eos":true,"n":2,"stream":true}""", id: "mine-1");
        Assert.Equal("mine-1", answer.Headers.GetValues("X-Request-Id").Single());
        string written = await answer.Content.ReadAsStringAsync();

        CollectedLog.Entry entry = await log.SingleAsync(line => line.Event == "Generation");
        Assert.Equal(LogLevel.Information, entry.Level);
        Assert.Equal(("POST", "/v1/chat/completions", 200, "mine-1", "chat", RunningServer.Model, 10, "length,length", "-"), (
            entry.Values["Method"], entry.Values["Path"], entry.Values["Status"], entry.Values["RequestId"], entry.Values["Operation"],
            entry.Values["Model"], entry.Values["GeneratedTokens"], entry.Values["Finish"], entry.Values["Error"]));
        Assert.InRange((int)entry.Values["PromptTokens"]!, 5, 40); // once, though there are two answers to it
        Assert.InRange((double)entry.Values["FirstTokenMs"]!, 0, (double)entry.Values["DurationMs"]!);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Key)))[..12], entry.Values["Key"]);

        // What goes wrong, in every way, is told by its code alone.
        (string Path, string Body, string Error)[] wrong =
        [
            ("/v1/completions", $$"""{"prompt":"{{Secret}}","{{Secret}}":1}""", "unknown_parameter"),
            ("/v1/completions", $$"""{"prompt":"{{string.Concat(Enumerable.Repeat(Secret + " ", 200))}}"}""", "context_length_exceeded"),
            ("/v1/completions", $$"""{"prompt":"{{Secret}}","model":"{{Secret}}"}""", "model_not_found"),
            ("/v1/completions", $$"""{"prompt":"{{Secret}}" """, "invalid_value"),
            ("/v1/chat/completions", $$"""{"messages":[{"role":"{{Secret}}"}]}""", "invalid_value"),
            ("/v1/completions", $$$"""{"prompt":"{{{Secret}}}","logit_bias":{{{{string.Join(',', Enumerable.Range(0, server.Engine.Runner.Model.Config.Vocabulary).Select(i => $"\"{i}\":-100"))}}}}}""", "invalid_value"),
            ("/nothing", "{}", "not_found"),
        ];
        foreach ((string path, string body, string error) in wrong)
        {
            string id = (await SendAsync(path, body)).Headers.GetValues("X-Request-Id").Single();
            Assert.Equal(error, (await WithIdAsync(id)).Values["Error"]);
        }
        server.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Secret);
        string refused = (await SendAsync("/v1/completions", "{}")).Headers.GetValues("X-Request-Id").Single();
        Assert.Equal(("invalid_api_key", "-", 401), ((await WithIdAsync(refused)).Values["Error"], (await WithIdAsync(refused)).Values["Key"], (await WithIdAsync(refused)).Values["Status"]));

        Assert.All(log.Entries, line =>
        {
            foreach (string text in (string[])["swordfish", Key, written[..20]])
                Assert.DoesNotContain(text, line.Text + string.Join(' ', line.Values.Values));
        });

        Task<CollectedLog.Entry> WithIdAsync(string id) => log.SingleAsync(line => id.Equals(line.Values.GetValueOrDefault("RequestId")));

        async Task<HttpResponseMessage> SendAsync(string path, string body, string? id = null)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body, null, "application/json") };
            if (id is not null)
                request.Headers.Add("X-Request-Id", id);
            return await server.Http.SendAsync(request);
        }
    }

    [Fact]
    public async Task PromptsAndAnswersAreLoggedWhereAsked()
    {
        using CollectedLog log = new();
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { LogPrompts = true }, configure: log.Use);
        (_, System.Text.Json.JsonElement body) = await server.PostAsync("/v1/completions", """{"prompt":"Once upon","max_tokens":5}""");
        await server.ComesToRestAsync();
        Assert.Contains("Once upon", (string)Assert.Single(log.Entries, line => line.Event == "Prompt").Values["Prompt"]!);
        Assert.Equal(body.GetProperty("choices")[0].GetProperty("text").GetString(), Assert.Single(log.Entries, line => line.Event == "Output").Values["Output"]);
    }

    [Theory]
    [InlineData(LogLevel.Debug, 2)]
    [InlineData(LogLevel.Information, 1)]
    [InlineData(LogLevel.Warning, 0)]
    public async Task LevelsChooseWhatIsLogged(LogLevel level, int lines)
    {
        using CollectedLog log = new();
        await using (RunningServer server = await RunningServer.StartAsync(new ServerOptions { LogLevel = level }, configure: log.Use))
        {
            await server.GetAsync("/load");
            await server.PostAsync("/tokenize", """{"prompt":"Once"}""");
            await server.App.StopAsync();
        }
        Assert.Equal(lines, log.Entries.Count(line => line.Event == "Request"));
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("<script>")]
    public async Task IdsThatCannotStandInALogAreReplaced(string id)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Get, "/health");
        request.Headers.TryAddWithoutValidation("X-Request-Id", id);
        using HttpResponseMessage response = await server.Http.SendAsync(request);
        Assert.Matches("^[0-9a-f]{32}$", response.Headers.GetValues("X-Request-Id").Single());
    }
}
