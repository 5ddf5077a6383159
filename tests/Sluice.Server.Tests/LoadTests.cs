using System.Text.Json;

namespace Sluice.Server.Tests;

/// <summary>3,072 requests of 64 clients at once, of which some leave and some talk nonsense: nobody else notices, and nothing is left behind.</summary>
[Collection(nameof(LoadTests))]
[CollectionDefinition(nameof(LoadTests), DisableParallelization = true)] // others' objects would count as its own
public class LoadTests
{
    private const int Clients = 64, RequestsPerClient = 16, Rounds = 3;
    private const long Megabyte = 1 << 20;

    private static readonly string[] Prompts =
    [
        "Once upon a time", "The dragon", "A little girl", "In the forest there was a house, and in the house there was a cat who",
        "Once upon a time there was a boy who", "Tom and his friend went to the park. They saw a big dog. The dog was",
    ];

    [Fact]
    public async Task GoodRequestsAnswerAsAloneAmidBadOnes()
    {
        // Few blocks, so that some requests are set aside and computed again.
        // Nor does it log, for what the console is told is kept as the test's output.
        await using RunningServer server = await RunningServer.StartAsync(
            new ServerOptions { LogLevel = Microsoft.Extensions.Logging.LogLevel.None },
            engineOptions: new EngineOptions { Threads = 1, Sequences = 1, Context = 256, CheckIntegrity = true });
        Dictionary<(string, int), string> expected = [];
        foreach (string prompt in Prompts)
        {
            foreach (int tokens in (int[])[4, 12, 40])
                expected[(prompt, tokens)] = await AskAsync(server, prompt, tokens);
        }

        long[] memory = new long[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            int[] good = await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => RunClientAsync(server, client + (round * Clients), expected)));
            Assert.InRange(good.Sum(), Clients * RequestsPerClient / 3, Clients * RequestsPerClient);
            await server.ComesToRestAsync();
            AssertNothingIsHeld(server.Engine);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            memory[round] = GC.GetTotalMemory(forceFullCollection: true);
        }
        // The first round fills pools.
        Assert.True(memory[2] - memory[1] < 2 * Megabyte, $"{memory[1]:N0} bytes of objects became {memory[2]:N0}");
        Assert.True(server.Engine.IsAlive);
        Assert.Equal(0, server.Engine.Statistics.Failed);
    }

    private static async Task<int> RunClientAsync(RunningServer server, int seed, Dictionary<(string Prompt, int Tokens), string> expected)
    {
        Random random = new(seed);
        int good = 0;
        for (int i = 0; i < RequestsPerClient; i++)
        {
            ((string prompt, int tokens), string text) = expected.ElementAt(random.Next(expected.Count));
            switch (random.Next(8))
            {
                case 0:
                    await LeaveAsync(server, prompt, random.Next(1, 80), stream: true);
                    break;
                case 1:
                    await LeaveAsync(server, prompt, random.Next(1, 80), stream: false);
                    break;
                case 2:
                    string tooLong = string.Concat(Enumerable.Repeat("word ", 5000));
                    (int status, JsonElement body) = await server.PostAsync("/v1/completions", $$"""{"prompt":"{{tooLong}}"}""");
                    Assert.Equal((400, "context_length_exceeded"), (status, body.GetProperty("error").GetProperty("code").GetString()));
                    break;
                case 3:
                    Assert.Equal(400, (await server.PostAsync("/v1/completions", """{"prompt":"Once",""")).Status);
                    break;
                default:
                    Assert.Equal(text, await AskAsync(server, prompt, tokens));
                    good++;
                    break;
            }
        }
        return good;
    }

    private static async Task<string> AskAsync(RunningServer server, string prompt, int tokens)
    {
        (int status, JsonElement body) = await server.PostAsync(
            "/v1/completions", $$"""{"prompt":"{{prompt}}","temperature":0,"max_tokens":{{tokens}}}""");
        Assert.Equal(200, status);
        return body.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    /// <summary>Goes away in the middle of an answer, or before it begins.</summary>
    private static async Task LeaveAsync(RunningServer server, string prompt, int milliseconds, bool stream)
    {
        using CancellationTokenSource patience = new(milliseconds);
        string json = $$"""{"prompt":"{{prompt}}","max_tokens":200,"ignore_eos":true,"stream":{{(stream ? "true" : "false")}}}""";
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions") { Content = new StringContent(json) };
        try
        {
            using HttpResponseMessage response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            await response.Content.ReadAsStringAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Every block is free, or kept for prompts to come and no more.</summary>
    private static void AssertNothingIsHeld(Engine engine)
    {
        engine.Runner.Cache.CheckIntegrity();
        Assert.All(engine.Statistics.Groups, group => Assert.Equal((0, group.Total), (group.Used, group.Free + group.Cached)));
    }
}
