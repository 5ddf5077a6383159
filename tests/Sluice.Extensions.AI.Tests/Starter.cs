using Microsoft.Extensions.AI;

namespace Sluice.Extensions.AI.Tests;

/// <summary>The model that comes with Sluice. It tells stories: it calls tools and writes JSON only where its grammar sees to it.</summary>
public sealed class Starter : IDisposable
{
    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "models", "sluice-starter.gguf");

    /// <summary>The same tokens each time.</summary>
    public static ChatOptions Greedy(int maxTokens) => new() { Temperature = 0, MaxOutputTokens = maxTokens };

    public Engine Engine { get; } = Engine.Load(Path, new EngineOptions { Context = 512, KvMemory = 1 << 26, Threads = 1 });

    public SluiceChatClient Client => new(Engine);

    /// <summary>Waits until the engine has nothing to do and no request holds a block.</summary>
    public async Task IdleAsync()
    {
        for (int i = 0; i < 200 && Engine.Statistics is not { Running: 0, Waiting: 0, CacheUse: 0 }; i++)
            await Task.Delay(25, TestContext.Current.CancellationToken);
        Assert.Equal((0, 0, 0.0), (Engine.Statistics.Running, Engine.Statistics.Waiting, Engine.Statistics.CacheUse));
    }

    public void Dispose() => Engine.Dispose();
}
