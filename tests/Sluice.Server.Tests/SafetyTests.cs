using System.ClientModel;
using System.Net;
using System.Text.Json;
using OpenAI.Chat;

namespace Sluice.Server.Tests;

public class SafetyTests
{
    private const string Long = """{"messages":[{"role":"user","content":"Once"}],"max_tokens":200,"ignore_eos":true,"stream":true}""";

    [Fact]
    public async Task OnlyKeysOpen()
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { ApiKeys = ["first", "second"] });
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 1 };
        Assert.Equal(401, (await Assert.ThrowsAsync<ClientResultException>(
            () => server.Chat("third").CompleteChatAsync([new UserChatMessage("Once")], options))).Status);
        await server.Chat("second").CompleteChatAsync([new UserChatMessage("Once")], options);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Http.GetAsync("/v1/models")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Http.GetAsync("/metrics")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync("/health")).StatusCode);
    }

    [Theory]
    [InlineData("Bearer firs")]
    [InlineData("Bearer first2")]
    [InlineData("Bearer FIRST")]
    [InlineData("Bearer first second")]
    [InlineData("Bearer ")]
    [InlineData("Basic first")]
    [InlineData("first")]
    [InlineData(null)]
    public async Task NothingThatIsNearlyAKeyOpens(string? authorization)
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { ApiKeys = ["first", "second"] });
        using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        using HttpResponseMessage response = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    /// <summary>A body of which no header tells the length is cut off all the same.</summary>
    [Fact]
    public async Task BodiesWithoutALengthAreBounded()
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { MaxRequestBytes = 1000 });
        using HttpRequestMessage request = new(HttpMethod.Post, "/tokenize")
        {
            Content = new StringContent($$"""{"prompt":"{{new string('x', 5000)}}"}"""),
            Headers = { TransferEncodingChunked = true },
        };
        using HttpResponseMessage response = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal(200, (await server.PostAsync("/tokenize", """{"prompt":"Once"}""")).Status);
    }

    [Fact]
    public async Task DeepAndDoubledJsonIsRefused()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        foreach (string json in (string[])[$$"""{"prompt":{{new string('[', 100_000)}}""", """{"prompt":"a","prompt":"b"}""", """{"prompt":"a"} {}""", "", "\0"])
            Assert.Equal(400, (await server.PostAsync("/v1/completions", json)).Status);
    }

    /// <summary>JSON can name halves of surrogate pairs, of which no text is made: as texts, as names, deep within.</summary>
    [Theory]
    [InlineData("/tokenize", """{"prompt":"\ud83d"}""", "prompt")]
    [InlineData("/tokenize", """{"prompt":"a","\uD83D":1}""", null)]
    [InlineData("/v1/completions", """{"prompt":["a","\udc00b"]}""", "prompt[1]")]
    [InlineData("/v1/completions", """{"prompt":"a","logit_bias":{"\ud83d":1}}""", null)]
    [InlineData("/v1/completions", """{"prompt":"a","json_schema":{"const":"\ud83d"}}""", "json_schema.const")]
    [InlineData("/v1/completions", """{"prompt":"a","json_schema":{"properties":{"\ud83d":{}}}}""", null)]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{"\ud83d":1}}""", null)]
    [InlineData("/v1/responses", """{"input":"a","metadata":{"b":"\ud83d"}}""", "metadata.b")]
    public async Task HalvesOfSurrogatePairsAreRefused(string path, string json, string? param)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement body) = await server.PostAsync(path, json);
        JsonElement error = body.GetProperty("error");
        Assert.Equal((400, param), (status, error.GetProperty("param").GetString()));
        Assert.Contains("Unicode", error.GetProperty("message").GetString());
        Assert.Equal(200, (await server.PostAsync("/tokenize", """{"prompt":"\ud83d\ude00"}""")).Status);
    }

    [Fact]
    public async Task OptionsThatMakeNoSenseAreRefused()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        foreach ((string name, ServerOptions options) in (ReadOnlySpan<(string, ServerOptions)>)
        [
            ("Host", new() { Host = "nowhere" }), ("Port", new() { Port = 70_000 }), ("ModelName", new() { ModelName = "" }),
            ("MaxQueue", new() { MaxQueue = 0 }), ("RequestTimeout", new() { RequestTimeout = TimeSpan.FromDays(100) }),
            ("ShutdownTimeout", new() { ShutdownTimeout = TimeSpan.FromSeconds(-1) }), ("CorsOrigins", new() { CorsOrigins = ["example.org/"] }),
        ])
        {
            Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(() => SluiceServer.Create(server.Engine, options)).ParamName);
        }
    }

    [Fact]
    public async Task StreamsThatTakeTooLongEndWithAnError()
    {
        using Gate gate = new();
        // The first token comes in time: all is compiled by then.
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { RequestTimeout = TimeSpan.FromSeconds(2) }, gate: gate);
        Assert.Equal(200, (await server.PostAsync("/v1/completions", """{"prompt":"Once","max_tokens":2}""")).Status);
        gate.Close(afterSteps: 1);
        using HttpResponseMessage answer = await server.Http.PostAsync(
            "/v1/completions", new StringContent("""{"prompt":"Once","max_tokens":10,"ignore_eos":true,"stream":true}"""));
        string events = await answer.Content.ReadAsStringAsync();
        Assert.StartsWith("data: {\"id\"", events);
        Assert.Contains("\"code\":\"timeout\"", events);
        Assert.DoesNotContain("[DONE]", events);
        gate.Open();
        await server.ComesToRestAsync();
    }

    [Fact]
    public async Task RatesSizesAndQueuesAreBounded()
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { RequestsPerMinute = 3, MaxRequestBytes = 1000, MaxQueue = 2 });
        Assert.Equal(413, (await server.PostAsync("/tokenize", $$"""{"prompt":"{{new string('x', 2000)}}"}""")).Status);
        Assert.Equal(400, (await server.PostAsync("/v1/completions", """{"prompt":"Once","n":3}""")).Status);
        Assert.Equal(200, (await server.PostAsync("/tokenize", """{"prompt":"Once"}""")).Status);
        using HttpResponseMessage late = await server.Http.PostAsync("/tokenize", new StringContent("""{"prompt":"Once"}"""));
        Assert.Equal(HttpStatusCode.TooManyRequests, late.StatusCode);
        Assert.NotNull(late.Headers.RetryAfter);
    }

    /// <summary>What the queue has no room for now may come again; what it never holds is wrong.</summary>
    [Fact]
    public async Task WhatTheQueueHoldsLaterIsToldFromWhatItNeverHolds()
    {
        using Gate gate = new();
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { MaxQueue = 2 }, gate: gate);
        foreach ((string path, string json, string field) in ((string, string, string)[])
        [
            ("/v1/completions", """{"prompt":"Once","n":3}""", "n"),
            ("/v1/completions", """{"prompt":"Once","n":2,"best_of":3}""", "best_of"),
            ("/v1/completions", """{"prompt":["Once","Twice"],"n":2}""", "prompt"),
            ("/v1/chat/completions", """{"messages":[{"role":"user","content":"Once"}],"n":3}""", "n"),
        ])
        {
            (int status, JsonElement body) = await server.PostAsync(path, json);
            JsonElement error = body.GetProperty("error");
            Assert.Equal((400, field, "invalid_value"), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        }

        gate.Close();
        const string Two = """{"prompt":"Once","n":2,"max_tokens":2}""";
        Task<(int Status, JsonElement Body)> first = server.PostAsync("/v1/completions", Two);
        await server.LoadIsAsync(running: 0, waiting: 2);
        using HttpResponseMessage late = await server.Http.PostAsync("/v1/completions", new StringContent("""{"prompt":"Once","max_tokens":2}"""));
        Assert.Equal(HttpStatusCode.TooManyRequests, late.StatusCode);
        Assert.NotNull(late.Headers.RetryAfter);
        gate.Open();
        Assert.Equal(200, (await first).Status);
        await server.ComesToRestAsync();
        Assert.Equal(200, (await server.PostAsync("/v1/completions", Two)).Status);
    }

    [Fact]
    public async Task OneKeyRunsNoMoreThanItMay()
    {
        using Gate gate = new();
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { ConcurrencyPerKey = 1 }, gate: gate);
        gate.Close(afterSteps: 1);
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Long) };
        using (HttpResponseMessage first = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
            Assert.Equal(429, (await server.PostAsync("/tokenize", """{"prompt":"Once"}""")).Status);
        gate.Open();
        await server.ComesToRestAsync();
        int status = 429;
        for (int i = 0; i < 600 && status == 429; i++) // the server hears a little later that the client left
            (status, _) = await server.PostAsync("/tokenize", """{"prompt":"Once"}""");
        Assert.Equal(200, status);
    }

    [Fact]
    public async Task AServerThatEndsLetsOpenAnswersEndAndNobodyIn()
    {
        using Gate gate = new();
        await using RunningServer server = await RunningServer.StartAsync(gate: gate);
        gate.Close(afterSteps: 2);
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Long) };
        using HttpResponseMessage open = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Task end = server.App.StopAsync();
        using (HttpClient late = new() { BaseAddress = server.Address })
        {
            for (int i = 0; i < 600 && await IsLetInAsync(late); i++)
                await Task.Delay(50);
            Assert.False(await IsLetInAsync(late));
        }
        Assert.False(end.IsCompleted);
        gate.Open();
        Assert.EndsWith("data: [DONE]\n\n", await open.Content.ReadAsStringAsync());
        await end;

        static async Task<bool> IsLetInAsync(HttpClient client)
        {
            try
            {
                using HttpRequestMessage request = new(HttpMethod.Get, "/health") { Headers = { ConnectionClose = true } };
                using HttpResponseMessage answer = await client.SendAsync(request);
                return true;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task RequestsThatTakeTooLongEnd()
    {
        using Gate gate = new();
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { RequestTimeout = TimeSpan.FromMilliseconds(1) }, gate: gate);
        gate.Close();
        (int status, JsonElement body) = await server.PostAsync("/v1/chat/completions", Long.Replace(",\"stream\":true", ""));
        Assert.Equal((408, "timeout"), (status, body.GetProperty("error").GetProperty("code").GetString()));
        gate.Open();
        await server.ComesToRestAsync();
    }

    [Fact]
    public async Task HealthTellsThatTheEngineDied()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync("/ready")).StatusCode);
        server.Engine.Dispose();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Http.GetAsync("/health")).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Http.GetAsync("/ready")).StatusCode);
        Assert.Equal(503, (await server.PostAsync("/v1/completions", """{"prompt":"Once"}""")).Status);
    }

    [Fact]
    public async Task WebPagesOfOthersMayNotCall()
    {
        await using RunningServer closed = await RunningServer.StartAsync();
        Assert.False(await AllowsAsync(closed));
        await using RunningServer open = await RunningServer.StartAsync(new ServerOptions { CorsOrigins = ["https://example.org"] });
        Assert.True(await AllowsAsync(open));

        static async Task<bool> AllowsAsync(RunningServer server)
        {
            bool[] allowed = await Task.WhenAll(((HttpMethod[])[HttpMethod.Get, HttpMethod.Options]).Select(async method =>
            {
                using HttpRequestMessage request = new(method, method == HttpMethod.Get ? "/version" : "/v1/completions");
                request.Headers.Add("Origin", "https://example.org");
                request.Headers.Add("Access-Control-Request-Method", "POST");
                using HttpResponseMessage response = await server.Http.SendAsync(request);
                return response.Headers.Contains("Access-Control-Allow-Origin");
            }));
            return Assert.Single(allowed.Distinct());
        }
    }
}
