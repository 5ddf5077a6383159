using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sluice.Chat;
using Sluice.Server.Api;
using Sluice.Server.Generation;
using Sluice.Server.Http;
using Sluice.Server.Pages;
using Sluice.Tokenizers;

namespace Sluice.Server;

/// <summary>Serves an engine over HTTP as OpenAI's API does.</summary>
public static class SluiceServer
{
    /// <summary>Makes a server, to be started with <see cref="WebApplication.StartAsync"/>.</summary>
    /// <param name="engine">What runs the model; the caller owns it, and disposes it after the server.</param>
    /// <param name="options">How to listen and what to allow; default options if null.</param>
    /// <exception cref="NotSupportedException">The model has no vocabulary.</exception>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    public static WebApplication Create(Engine engine, ServerOptions? options = null)
    {
        options ??= new ServerOptions();
        Tokenizer tokenizer = engine.Tokenizer
            ?? throw new NotSupportedException($"{engine.Runner.File.Path} has no vocabulary, so it cannot be served.");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddFilter("Sluice", LogLevel.Information);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        if (options.CorsOrigins.Count > 0)
        {
            builder.Services.AddCors(cors => cors.AddDefaultPolicy(policy =>
                policy.WithOrigins([.. options.CorsOrigins]).AllowAnyHeader().WithMethods("GET", "POST")));
        }
        Listen(builder, options);

        string model = options.ModelName ?? Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(engine.Runner.File.Path));
        builder.Services.AddSingleton(_ => new ServerMetrics(engine, model)); // the container disposes what it makes
        builder.Services.AddSingleton(_ => new Access(options));
        WebApplication app = builder.Build();
        Errors errors = new(app.Services.GetRequiredService<ILogger<Errors>>(), options.RequestTimeout);
        Access access = app.Services.GetRequiredService<Access>();
        app.Use(next => context => errors.InvokeAsync(context, next));
        if (options.CorsOrigins.Count > 0)
            app.UseCors();
        app.Use(next => context => access.InvokeAsync(context, next));

        ServerMetrics metrics = app.Services.GetRequiredService<ServerMetrics>();
        GenerationService generation = new(engine, options, metrics);
        EmbeddingService embeddings = new(engine, options, metrics);
        Map(app, embeddings, new ApiContext(generation, metrics, tokenizer, ChatPrompt.FromModel(engine.Runner.File, tokenizer)));
        return app;
    }

    /// <summary>All endpoints. A new one is a line here.</summary>
    private static void Map(WebApplication app, EmbeddingService embeddings, ApiContext api)
    {
        TokenEndpoints tokens = new(api);
        AdapterEndpoints adapters = new(api);
        StateEndpoints state = new(api, app.Lifetime);
        Post("/v1/chat/completions", new ChatEndpoint(api).InvokeAsync);
        Post("/v1/completions", new CompletionEndpoint(api).InvokeAsync);
        Post("/v1/embeddings", new EmbeddingEndpoint(api, embeddings).InvokeAsync);
        Post("/v1/load_lora_adapter", adapters.LoadAsync);
        Post("/v1/unload_lora_adapter", adapters.UnloadAsync);
        Post("/tokenize", tokens.TokenizeAsync);
        Post("/detokenize", tokens.DetokenizeAsync);
        Post("/apply-template", tokens.ApplyTemplateAsync);
        Get("/v1/models", state.ModelsAsync);
        Get("/v1/models/{id}", state.ModelAsync);
        Get("/health", state.HealthAsync);
        Get("/ready", state.ReadyAsync);
        Get("/version", state.VersionAsync);
        Get("/metrics", state.MetricsAsync);
        Get("/load", state.LoadAsync);
        Get("/", context => WebPages.SendAsync(context, "chat.html"));
        Get("/dashboard", context => WebPages.SendAsync(context, "dashboard.html"));

        void Get(string path, RequestDelegate handler) => app.MapGet(path, handler);
        void Post(string path, RequestDelegate handler) => app.MapPost(path, handler);
    }

    private static void Listen(WebApplicationBuilder builder, ServerOptions options)
    {
        X509Certificate2? certificate = options.Certificate is null ? null
            : options.CertificateKey is null ? X509CertificateLoader.LoadPkcs12FromFile(options.Certificate, null)
            : X509Certificate2.CreateFromPemFile(options.Certificate, options.CertificateKey);
        if (certificate is not null)
            builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxRequestBytes;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(30);
            Action<ListenOptions> listen = certificate is null ? _ => { } : endpoint => endpoint.UseHttps(certificate);
            if (options.Host is "localhost" && options.Port != 0)
                kestrel.ListenLocalhost(options.Port, listen);
            else if (options.Host is "*")
                kestrel.ListenAnyIP(options.Port, listen);
            else if (IPAddress.TryParse(options.Host is "localhost" ? "127.0.0.1" : options.Host, out IPAddress? address))
                kestrel.Listen(address, options.Port, listen);
            else
                throw new ArgumentException($"'{options.Host}' is not an IP address, localhost or *.", nameof(options));
        });
    }
}
