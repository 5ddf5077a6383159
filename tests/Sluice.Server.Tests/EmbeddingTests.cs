using System.Text.Json;
using OpenAI.Embeddings;

namespace Sluice.Server.Tests;

public class EmbeddingTests
{
    [Fact]
    public async Task TheOfficialClientGetsEmbeddings()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        EmbeddingClient client = server.Client().GetEmbeddingClient(RunningServer.Model);
        string[] texts = ["Once upon a time", "The dog ran home."];
        OpenAIEmbeddingCollection answer = await client.GenerateEmbeddingsAsync(texts);
        Assert.Equal(2, answer.Count);
        Assert.Equal(texts.Sum(text => server.Engine.Tokenizer!.Encode(text).Length), answer.Usage.InputTokenCount);
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal(i, answer[i].Index);
            Assert.Equal((await server.Engine.Embed(texts[i])).Values, answer[i].ToFloats().ToArray());
        }

        OpenAIEmbedding shorter = await client.GenerateEmbeddingAsync(texts[0], new EmbeddingGenerationOptions { Dimensions = 16, EndUserId = "me" });
        Assert.Equal((await server.Engine.Embed(texts[0])).Shorten(16).Values, shorter.ToFloats().ToArray());
        await server.ComesToRestAsync();
        string page = await server.Http.GetStringAsync("/metrics");
        Assert.Contains($"\nsluice_embeddings_total{{model_name=\"{RunningServer.Model}\"}} 3\n", page);
        int tokens = answer.Usage.InputTokenCount + server.Engine.Tokenizer!.Encode(texts[0]).Length;
        Assert.Contains($"\nvllm:prompt_tokens_total{{model_name=\"{RunningServer.Model}\"}} {tokens}\n", page);
    }

    [Fact]
    public async Task TextsTokensAndBothFormatsGiveTheSame()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string ids = JsonSerializer.Serialize(server.Engine.Tokenizer!.Encode("Once"));
        float[] expected = (await server.Engine.Embed("Once")).Values;
        foreach (string input in (string[])["\"Once\"", "[\"Once\"]", ids, $"[{ids}]"])
        {
            (int status, JsonElement body) = await server.PostAsync("/v1/embeddings", $$"""{"input":{{input}},"encoding_format":"float"}""");
            Assert.Equal(200, status);
            JsonElement entry = Assert.Single(body.GetProperty("data").EnumerateArray());
            Assert.Equal(expected, entry.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()));
            Assert.Equal(["prompt_tokens", "total_tokens"], body.GetProperty("usage").EnumerateObject().Select(field => field.Name));
            (_, body) = await server.PostAsync("/v1/embeddings", $$"""{"input":{{input}},"encoding_format":"base64"}""");
            byte[] bytes = body.GetProperty("data")[0].GetProperty("embedding").GetBytesFromBase64();
            Assert.Equal(expected, bytes.Chunk(4).Select(value => BitConverter.ToSingle(value)));
        }
    }

    /// <summary>Many texts in one request wait as one, and run beside a generation.</summary>
    [Fact]
    public async Task ManyTextsRunBesideGenerations()
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { MaxQueue = 2 });
        Task<(int Status, JsonElement Body)> text = server.PostAsync("/v1/completions", """{"prompt":"Once","temperature":0,"max_tokens":40}""");
        string input = JsonSerializer.Serialize(Enumerable.Range(0, 200).Select(i => $"Story number {i} is about a dog."));
        (int status, JsonElement body) = await server.PostAsync("/v1/embeddings", $$"""{"input":{{input}}}""");
        Assert.Equal((200, 200), (status, body.GetProperty("data").GetArrayLength()));
        Assert.Equal(200, (await text).Status);
        (_, JsonElement alone) = await server.PostAsync("/v1/embeddings", """{"input":"Story number 123 is about a dog."}""");
        Assert.Equal(alone.GetProperty("data")[0].GetProperty("embedding").GetRawText(), body.GetProperty("data")[123].GetProperty("embedding").GetRawText());
        await server.ComesToRestAsync();
    }

    [Theory]
    [InlineData("""{}""", "input")]
    [InlineData("""{"input":""}""", "input")]
    [InlineData("""{"input":["a",""]}""", "input")]
    [InlineData("""{"input":[]}""", "input")]
    [InlineData("""{"input":[[1],[]]}""", "input")]
    [InlineData("""{"input":[1,-1]}""", "input")]
    [InlineData("""{"input":[1,"a"]}""", "input")]
    [InlineData("""{"input":7}""", "input")]
    [InlineData("""{"input":"a","encoding_format":"int8"}""", "encoding_format")]
    [InlineData("""{"input":"a","dimensions":0}""", "dimensions")]
    [InlineData("""{"input":"a","dimensions":100000}""", "dimensions")]
    [InlineData("""{"input":"a","truncate":true}""", "truncate")]
    public async Task WhatMakesNoSenseIsNamed(string request, string field)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement body) = await server.PostAsync("/v1/embeddings", request);
        Assert.Equal((400, field), (status, body.GetProperty("error").GetProperty("param").GetString()));
    }

    [Fact]
    public async Task ATextLongerThanTheContextIsRefusedAlone()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string ids = JsonSerializer.Serialize(Enumerable.Repeat(5, server.Engine.Context + 1));
        (int status, JsonElement body) = await server.PostAsync("/v1/embeddings", $$"""{"input":[[1],{{ids}}]}""");
        JsonElement error = body.GetProperty("error");
        Assert.Equal((400, "context_length_exceeded"), (status, error.GetProperty("code").GetString()));
        Assert.Contains("text 1", error.GetProperty("message").GetString());
    }
}
