using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Sluice.Extensions.AI.Tests;

/// <summary>Registration in one line.</summary>
public class ServiceTests
{
    [Fact]
    public async Task OneLineRegistersAModel()
    {
        ServiceCollection services = new();
        services.AddSluice(Starter.Path, options => options.Engine = new EngineOptions { Context = 128, Threads = 1 });
        Engine engine;
        await using (ServiceProvider provider = services.BuildServiceProvider())
        {
            engine = provider.GetRequiredService<Engine>();
            Assert.Equal(128, engine.Context);
            IChatClient client = provider.GetRequiredService<IChatClient>();
            Assert.Same(engine, client.GetService<Engine>());
            Assert.Same(client, provider.GetRequiredService<SluiceChatClient>());
            Assert.NotEmpty((await client.GetResponseAsync("Once", Starter.Greedy(4), TestContext.Current.CancellationToken)).Text);
            IEmbeddingGenerator<string, Embedding<float>> generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
            Assert.Same(engine, generator.GetService<Engine>());
            Assert.Same(generator, provider.GetRequiredService<SluiceEmbeddingGenerator>());
            Assert.False((await generator.GenerateVectorAsync("Once", cancellationToken: TestContext.Current.CancellationToken)).IsEmpty);
            Assert.True(engine.IsAlive);
        }
        Assert.False(engine.IsAlive);
    }

    [Fact]
    public async Task AClientMayBeWrapped()
    {
        ServiceCollection services = new();
        services.AddSluice(Starter.Path, options => options.Engine = new EngineOptions { Context = 128, Threads = 1 });
        services.AddChatClient(provider => provider.GetRequiredService<SluiceChatClient>()).UseFunctionInvocation();
        await using ServiceProvider provider = services.BuildServiceProvider();
        IChatClient client = provider.GetRequiredService<IChatClient>();
        Assert.NotNull(client.GetService<FunctionInvokingChatClient>());
        Assert.Same(provider.GetRequiredService<SluiceChatClient>(), client.GetService<SluiceChatClient>());
    }

    [Fact]
    public async Task SeveralModelsAreToldApartByKeys()
    {
        ServiceCollection services = new();
        services.AddSluice(Starter.Path, options => options.Engine = new EngineOptions { Context = 128, Threads = 1 });
        services.AddSluice(Starter.Path, options => (options.Engine, options.ModelId) = (new EngineOptions { Context = 64, Threads = 1 }, "small"), "small");
        Assert.Throws<InvalidOperationException>(() => services.AddSluice(Starter.Path));
        Assert.Throws<InvalidOperationException>(() => services.AddSluice(Starter.Path, serviceKey: "small"));
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Equal(128, provider.GetRequiredService<IChatClient>().GetService<Engine>()!.Context);
        IChatClient small = provider.GetRequiredKeyedService<IChatClient>("small");
        Assert.Equal(64, small.GetService<Engine>()!.Context);
        Assert.Same(small.GetService<Engine>(), provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("small").GetService<Engine>());
        Assert.Equal("small", small.GetService<ChatClientMetadata>()!.DefaultModelId);
    }

    [Fact]
    public void AMissingModelIsNamed()
    {
        ServiceCollection services = new();
        services.AddSluice("/nowhere/model.gguf");
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Contains("/nowhere/model.gguf", Assert.ThrowsAny<IOException>(() => provider.GetRequiredService<IChatClient>()).Message, StringComparison.Ordinal);
    }
}
