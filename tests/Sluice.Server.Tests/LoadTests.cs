using System.Text.Json;

namespace Sluice.Server.Tests;

/// <summary>Many clients at once, of which some leave and some talk nonsense: nobody else notices.</summary>
public class LoadTests
{
    private const int Clients = 64, RequestsPerClient = 4;

    private static readonly string[] Prompts = ["Once upon a time", "The dragon", "A little girl", "In the forest"];

    [Fact]
    public async Task GoodRequestsAnswerAsAloneAmidBadOnes()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Dictionary<string, string> expected = [];
        foreach (string prompt in Prompts)
            expected[prompt] = await AskAsync(server, prompt);

        int[] done = await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => RunClientAsync(server, client, expected)));
        Assert.True(done.Sum() > Clients); // good ones
        await server.ComesToRestAsync();
        Assert.True(server.Engine.IsAlive);
    }

    private static async Task<int> RunClientAsync(RunningServer server, int client, Dictionary<string, string> expected)
    {
        Random random = new(client);
        int good = 0;
        for (int i = 0; i < RequestsPerClient; i++)
        {
            string prompt = Prompts[random.Next(Prompts.Length)];
            switch (random.Next(6))
            {
                case 0:
                    await LeaveAsync(server, prompt, random.Next(5, 80));
                    break;
                case 1:
                    string tooLong = string.Concat(Enumerable.Repeat("word ", 5000));
                    (int status, JsonElement body) = await server.PostAsync("/v1/completions", $$"""{"prompt":"{{tooLong}}"}""");
                    Assert.Equal((400, "context_length_exceeded"), (status, body.GetProperty("error").GetProperty("code").GetString()));
                    break;
                case 2:
                    Assert.Equal(400, (await server.PostAsync("/v1/completions", """{"prompt":"Once",""")).Status);
                    break;
                default:
                    Assert.Equal(expected[prompt], await AskAsync(server, prompt));
                    good++;
                    break;
            }
        }
        return good;
    }

    private static async Task<string> AskAsync(RunningServer server, string prompt)
    {
        (int status, JsonElement body) = await server.PostAsync("/v1/completions", $$"""{"prompt":"{{prompt}}","temperature":0,"max_tokens":12}""");
        Assert.Equal(200, status);
        return body.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    /// <summary>Disconnects in the middle of a stream, or before it begins.</summary>
    private static async Task LeaveAsync(RunningServer server, string prompt, int milliseconds)
    {
        using CancellationTokenSource patience = new(milliseconds);
        string json = $$"""{"prompt":"{{prompt}}","max_tokens":200,"ignore_eos":true,"stream":true}""";
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
}
