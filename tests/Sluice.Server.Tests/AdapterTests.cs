using System.ClientModel;
using System.Text.Json;
using OpenAI.Chat;
using OpenAI.Embeddings;
using Sluice.TestData;

namespace Sluice.Server.Tests;

public sealed class AdapterTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sluice-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task AdaptersAreLoadedServedAsModelsAndUnloaded()
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { AllowAdapterLoading = true });
        string path = JsonSerializer.Serialize(Write("a.gguf", 1)), other = JsonSerializer.Serialize(Write("b.gguf", 2));
        string plain = await SayAsync(server, RunningServer.Model);
        Assert.Equal(200, await StatusAsync(server, "/v1/load_lora_adapter", $$"""{"lora_name":"one","lora_path":{{path}}}"""));
        server.Engine.LoadAdapter("two", Path.Combine(_folder.FullName, "b.gguf")); // as serve --lora does

        JsonElement[] models = [.. (await server.GetAsync("/v1/models")).GetProperty("data").EnumerateArray()];
        Assert.Equal([RunningServer.Model, "one", "two"], models.Select(model => model.GetProperty("id").GetString()));
        Assert.False(models[0].TryGetProperty("parent", out _));
        Assert.Equal(RunningServer.Model, models[2].GetProperty("parent").GetString());
        Assert.Equal(RunningServer.Model, (await server.GetAsync("/v1/models/one")).GetProperty("parent").GetString());

        string[] said = await Task.WhenAll(((string[])["one", "two", RunningServer.Model, "one"]).Select(model => SayAsync(server, model)));
        Assert.Equal([said[0], said[1], plain, said[0]], said);
        Assert.Equal(3, said.Distinct().Count());
        EmbeddingClient embeddings = server.Client().GetEmbeddingClient("one");
        OpenAIEmbeddingCollection embedded = await embeddings.GenerateEmbeddingsAsync(["Once"]);
        Assert.Equal("one", embedded.Model);
        Assert.NotEqual((await server.Engine.Embed("Once")).Values, embedded[0].ToFloats().ToArray());

        Assert.Equal(200, await StatusAsync(server, "/v1/unload_lora_adapter", """{"lora_name":"one"}"""));
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => SayAsync(server, "one"));
        Assert.Equal(404, error.Status);
        Assert.Equal(said[1], await SayAsync(server, "two"));
        await server.ComesToRestAsync();
    }

    [Theory]
    [InlineData("load", """{"lora_name":"a"}""", 400, "lora_path")]
    [InlineData("load", """{"lora_name":"","lora_path":"x"}""", 400, "lora_name")]
    [InlineData("load", """{"lora_name":"starter","lora_path":"x"}""", 400, "lora_name")]
    [InlineData("load", """{"lora_name":"a","lora_path":"/nowhere"}""", 404, "lora_path")]
    [InlineData("load", """{"lora_name":"a","lora_path":"/"}""", 400, "lora_path")]
    [InlineData("load", """{"lora_name":"a","lora_path":"x","load_inplace":true}""", 400, "load_inplace")]
    [InlineData("unload", """{"lora_name":"a"}""", 404, "lora_name")]
    public async Task WhatMakesNoSenseIsNamed(string what, string request, int status, string field)
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { AllowAdapterLoading = true });
        (int got, JsonElement body) = await server.PostAsync($"/v1/{what}_lora_adapter", request);
        Assert.Equal((status, field), (got, body.GetProperty("error").GetProperty("param").GetString()));
    }

    [Fact]
    public async Task ClientsLoadNothingUnlessTheyMay()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string path = JsonSerializer.Serialize(Write("a.gguf", 1));
        Assert.Equal(403, await StatusAsync(server, "/v1/load_lora_adapter", $$"""{"lora_name":"one","lora_path":{{path}}}"""));
        server.Engine.LoadAdapter("one", Path.Combine(_folder.FullName, "a.gguf"));
        Assert.Equal(403, await StatusAsync(server, "/v1/unload_lora_adapter", """{"lora_name":"one"}"""));
        Assert.Single(server.Engine.Adapters);
    }

    private static async Task<int> StatusAsync(RunningServer server, string path, string json)
    {
        using HttpResponseMessage response = await server.Http.PostAsync(path, new StringContent(json, null, "application/json"));
        return (int)response.StatusCode;
    }

    private static async Task<string> SayAsync(RunningServer server, string model)
    {
        ChatCompletion answer = await server.Client().GetChatClient(model).CompleteChatAsync(
            [new UserChatMessage("Tell me a story.")], new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 20 });
        Assert.Equal(model, answer.Model);
        return answer.Content[0].Text;
    }

    private string Write(string name, int seed) => StarterAdapter.Write(Path.Combine(_folder.FullName, name), seed);
}
