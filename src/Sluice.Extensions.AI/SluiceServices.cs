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
    /// <see cref="SluiceChatClient"/>, for <c>AddChatClient</c> to wrap). All are singletons; the model is loaded when the first of them is asked for.
    /// </summary>
    /// <param name="services">The program's services.</param>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="configure">Sets options.</param>
    public static IServiceCollection AddSluice(this IServiceCollection services, string path, Action<SluiceOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        SluiceOptions options = new();
        configure?.Invoke(options);
        return services
            .AddSingleton(_ => Engine.Load(path, options.Engine))
            .AddSingleton(provider => new SluiceChatClient(provider.GetRequiredService<Engine>(), options))
            .AddSingleton<IChatClient>(provider => provider.GetRequiredService<SluiceChatClient>());
    }
}
