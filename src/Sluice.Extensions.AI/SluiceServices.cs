using Microsoft.Extensions.AI;
using Sluice;
using Sluice.Extensions.AI;

// Where registrations are looked for, so that a program needs no using directive for this one.
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers Sluice with a program's services.</summary>
public static class SluiceServices
{
    /// <summary>
    /// Registers a model: its <see cref="Engine"/>, which the container disposes, an <see cref="IChatClient"/> (also as
    /// <see cref="SluiceChatClient"/>, for <c>AddChatClient</c> to wrap) and an <see cref="IEmbeddingGenerator{TInput,TEmbedding}"/> (also as
    /// <see cref="SluiceEmbeddingGenerator"/>). All are singletons; the model is loaded when the first of them is asked for.
    /// </summary>
    /// <param name="services">The program's services.</param>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="configure">Sets options.</param>
    /// <param name="serviceKey">What tells it from other models, where there are several: all its services have this key.</param>
    /// <exception cref="InvalidOperationException">There is a model of that key already.</exception>
    public static IServiceCollection AddSluice(
        this IServiceCollection services, string path, Action<SluiceOptions>? configure = null, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (services.Any(service => service.ServiceType == typeof(Engine) && Equals(service.ServiceKey, serviceKey)))
            throw new InvalidOperationException($"A model is registered already with the key '{serviceKey}': give this one another.");
        SluiceOptions options = new();
        configure?.Invoke(options);
        return services
            .AddKeyedSingleton(serviceKey, (_, _) => Engine.Load(path, options.Engine))
            .AddKeyedSingleton(serviceKey, (provider, key) => new SluiceChatClient(provider.GetRequiredKeyedService<Engine>(key), options))
            .AddKeyedSingleton<IChatClient>(serviceKey, (provider, key) => provider.GetRequiredKeyedService<SluiceChatClient>(key))
            .AddKeyedSingleton(serviceKey, (provider, key) => new SluiceEmbeddingGenerator(provider.GetRequiredKeyedService<Engine>(key), options))
            .AddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
                serviceKey, (provider, key) => provider.GetRequiredKeyedService<SluiceEmbeddingGenerator>(key));
    }
}
