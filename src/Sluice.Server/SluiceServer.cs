using System.Net;
using System.Security.Cryptography;
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
using Sluice.Server.Reference;
using Sluice.Tokenizers;

namespace Sluice.Server;

/// <summary>Serves an engine over HTTP as OpenAI's API does.</summary>
public static class SluiceServer
{
    private static readonly string Version = typeof(SluiceServer).Assembly.GetName().Version!.ToString(3);

    /// <summary>Makes a server, to be started with <see cref="WebApplication.StartAsync"/>.</summary>
    /// <param name="engine">What runs the model; the caller owns it, and disposes it after the server.</param>
    /// <param name="options">How to listen and what to allow; default options if null.</param>
    /// <param name="configure">Adds to the application before it is built: services, logging providers, OpenTelemetry exporters.</param>
    /// <exception cref="NotSupportedException">The model has no vocabulary.</exception>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    /// <exception cref="InvalidDataException">The certificate cannot be used.</exception>
    public static WebApplication Create(Engine engine, ServerOptions? options = null, Action<WebApplicationBuilder>? configure = null)
    {
        options ??= new ServerOptions();
        options.Validate();
        Tokenizer tokenizer = engine.Tokenizer
            ?? throw new NotSupportedException($"{engine.Runner.File.Path} has no vocabulary, so it cannot be served.");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        Log(builder.Logging, options);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None); // whoever starts it gets the exception
        Telemetry.Add(builder, options.OtlpEndpoint, Version);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        if (options.CorsOrigins.Count > 0)
        {
            builder.Services.AddCors(cors => cors.AddDefaultPolicy(policy =>
                policy.WithOrigins([.. options.CorsOrigins]).AllowAnyHeader().WithMethods("GET", "POST", "DELETE")));
        }
        Listen(builder, options);

        string model = options.ModelName ?? engine.Runner.File.Name;
        builder.Services.AddSingleton(_ => new ServerMetrics(engine, model)); // the container disposes what it makes
        builder.Services.AddSingleton(_ => new Access(options));
        configure?.Invoke(builder);
        WebApplication app = builder.Build();
        RequestLog log = new(app.Services.GetRequiredService<ILogger<RequestLog>>(), model);
        Errors errors = new(app.Services.GetRequiredService<ILogger<Errors>>(), options.RequestTimeout);
        Access access = app.Services.GetRequiredService<Access>();
        app.Use(next => context => log.InvokeAsync(context, next));
        app.Use(next => context => errors.InvokeAsync(context, next));
        if (options.CorsOrigins.Count > 0)
            app.UseCors();
        app.Use(next => context => access.InvokeAsync(context, next));

        ServerMetrics metrics = app.Services.GetRequiredService<ServerMetrics>();
        GenerationService generation = new(engine, options, metrics, app.Services.GetRequiredService<ILogger<GenerationService>>());
        EmbeddingService embeddings = new(engine, options, metrics);
        Map(app, embeddings, new ApiContext(generation, metrics, tokenizer, new ChatModel(engine, options.Chat)));
        return app;
    }

    /// <summary>All endpoints. A new one is a line here, and its description in Reference/.</summary>
    private static void Map(WebApplication app, EmbeddingService embeddings, ApiContext api)
    {
        TokenEndpoints tokens = new(api);
        StateEndpoints state = new(api, app.Lifetime, Version);
        ResponsesEndpoint responses = new(api);
        AdapterEndpoints adapters = new(api);
        List<Route> routes = [];
        Post("/v1/chat/completions", new ChatEndpoint(api).InvokeAsync, Completions.Chat);
        Post("/v1/completions", new CompletionEndpoint(api).InvokeAsync, Completions.Text);
        Post("/v1/responses", responses.CreateAsync, Responses.Create);
        Get("/v1/responses/{id}", responses.GetAsync, Responses.Get);
        Add("delete", "/v1/responses/{id}", app.MapDelete("/v1/responses/{id}", (RequestDelegate)responses.DeleteAsync), Responses.Delete);
        Post("/v1/embeddings", new EmbeddingEndpoint(api, embeddings).InvokeAsync, Embeddings.Create);
        Post("/v1/load_lora_adapter", adapters.LoadAsync, Adapters.Load);
        Post("/v1/unload_lora_adapter", adapters.UnloadAsync, Adapters.Unload);
        Post("/tokenize", tokens.TokenizeAsync, Tokens.Tokenize);
        Post("/detokenize", tokens.DetokenizeAsync, Tokens.Detokenize);
        Post("/apply-template", tokens.ApplyTemplateAsync, Tokens.ApplyTemplate);
        Get("/v1/models", state.ModelsAsync, State.Models);
        Get("/v1/models/{**id}", state.ModelAsync, State.Model); // names may have slashes
        Get("/health", state.HealthAsync, State.Health);
        Get("/ready", state.ReadyAsync, State.Ready);
        Get("/version", state.VersionAsync, State.Version);
        Get("/metrics", state.MetricsAsync, State.Metrics);
        Get("/load", state.LoadAsync, State.Load);
        Get("/", context => WebPages.SendAsync(context, "chat.html"), State.Page("The web chat."));
        Get("/dashboard", context => WebPages.SendAsync(context, "dashboard.html"), State.Page("The dashboard: speed, times, cache and queue as they are now."));
        Get("/docs", context => WebPages.SendAsync(context, "docs.html"), State.Page("This document as a page."));
        Lazy<byte[]> document = new(() => OpenApi.Write(routes, api.Model, Version));
        Get("/openapi.json", context => Reply.BytesAsync(context, document.Value, "application/json"), State.Document);

        void Get(string path, RequestDelegate handler, Description description) => Add("get", path, app.MapGet(path, handler), description);
        void Post(string path, RequestDelegate handler, Description description) => Add("post", path, app.MapPost(path, handler), description);
        void Add(string method, string path, IEndpointConventionBuilder endpoint, Description description)
        {
            endpoint.WithMetadata(description); // Access asks it
            routes.Add(new Route(method, path.Replace("{**", "{", StringComparison.Ordinal), description));
        }
    }

    private static void Log(ILoggingBuilder logging, ServerOptions options)
    {
        logging.ClearProviders();
        if (options.LogJson)
            logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        else
            logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "yyyy-MM-dd HH:mm:ss.fff "));
        // Of the framework itself only what goes wrong, unless somebody looks for it.
        logging.SetMinimumLevel(options.LogLevel is LogLevel.Information ? LogLevel.Warning : options.LogLevel);
        logging.AddFilter("Sluice", options.LogLevel);
    }

    private static void Listen(WebApplicationBuilder builder, ServerOptions options)
    {
        X509Certificate2? certificate = options.Certificate is null ? null : LoadCertificate(options.Certificate, options.CertificateKey);
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
            else
                kestrel.Listen(IPAddress.Parse(options.Host is "localhost" ? "127.0.0.1" : options.Host), options.Port, listen);
        });
    }

    private static X509Certificate2 LoadCertificate(string path, string? key)
    {
        try
        {
            return key is null ? X509CertificateLoader.LoadPkcs12(File.ReadAllBytes(path), null) : X509Certificate2.CreateFromPemFile(path, key);
        }
        catch (CryptographicException error)
        {
            string kind = key is null ? "a PKCS #12 file without a password (one in PEM needs its key too)" : $"a PEM file with the private key in {key}";
            throw new InvalidDataException($"The certificate {path} is not {kind}: {error.Message}", error);
        }
    }
}
