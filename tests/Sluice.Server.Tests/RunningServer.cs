using System.ClientModel;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using OpenAI;
using OpenAI.Chat;
using Sluice.TestData;

namespace Sluice.Server.Tests;

/// <summary>A real server on a port of its own, with the model that comes with Sluice.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    public const string Model = "starter";

    private readonly Gate? _gate;

    private RunningServer(Engine engine, WebApplication app, Gate? gate)
    {
        (Engine, App, _gate) = (engine, app, gate);
        Address = new Uri(app.Urls.Single());
        Http = new HttpClient { BaseAddress = Address };
    }

    public Engine Engine { get; }

    public WebApplication App { get; }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public static async Task<RunningServer> StartAsync(
        ServerOptions? options = null, EngineOptions? engineOptions = null, Action<WebApplicationBuilder>? configure = null, Gate? gate = null)
    {
        string path = Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf");
        options ??= new ServerOptions { LogLevel = LogLevel.Warning };
        engineOptions ??= new EngineOptions { Threads = 1, Sequences = 4, CheckIntegrity = true };
        Engine engine = Engine.Load(path, gate?.Options(engineOptions) ?? engineOptions);
        WebApplication app = SluiceServer.Create(
            engine, options with { Port = 0, ModelName = options.ModelName ?? Model }, configure);
        await app.StartAsync();
        return new RunningServer(engine, app, gate);
    }

    public OpenAIClient Client(string key = "none") =>
        new(new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri(Address, "/v1") });

    public ChatClient Chat(string key = "none") => Client(key).GetChatClient(Model);

    public async Task<(int Status, JsonElement Body)> PostAsync(string path, string json)
    {
        using HttpResponseMessage response = await Http.PostAsync(path, new StringContent(json, null, "application/json"));
        return ((int)response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>());
    }

    public async Task<JsonElement> GetAsync(string path)
    {
        using HttpResponseMessage response = await Http.GetAsync(path);
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>Asserts that soon nothing runs and nobody holds a sequence of the cache.</summary>
    public async Task ComesToRestAsync()
    {
        await LoadIsAsync(running: 0, waiting: 0);
        for (int i = 0; i < 600 && Engine.Runner.Cache.Sequences > 0; i++)
            await Task.Delay(50);
        Assert.Equal(0, Engine.Runner.Cache.Sequences);
    }

    /// <summary>Asserts that soon so many generations run and wait; soon even where the machine is busy.</summary>
    public async Task LoadIsAsync(int running, int waiting)
    {
        (int Running, int Waiting) load = default;
        for (int i = 0; i < 600; i++)
        {
            JsonElement answer = await GetAsync("/load");
            load = (answer.GetProperty("running").GetInt32(), answer.GetProperty("waiting").GetInt32());
            if (load == (running, waiting))
                return;
            await Task.Delay(50);
        }
        Assert.Equal((running, waiting), load);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await App.DisposeAsync();
        _gate?.Open(); // an engine that is held does not end
        Engine.Dispose();
    }
}
