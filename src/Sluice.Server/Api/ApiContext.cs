using Sluice.Chat;
using Sluice.Grammars;
using Sluice.Server.Generation;
using Sluice.Server.Http;
using Sluice.Tokenizers;

namespace Sluice.Server.Api;

/// <summary>What the endpoints share.</summary>
internal sealed class ApiContext(GenerationService generation, ServerMetrics metrics, Tokenizer tokenizer, ChatModel chat)
{
    public GenerationService Generation => generation;

    public ServerMetrics Metrics => metrics;

    public Engine Engine => generation.Engine;

    public Tokenizer Tokenizer => tokenizer;

    public ChatModel Chat => chat;

    /// <summary>Grammars that were asked for lately.</summary>
    public GrammarCache Grammars { get; } = new();

    public string Model => metrics.Model;

    public long Created { get; } = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    public int Vocabulary => generation.Engine.Runner.Model.Config.Vocabulary;

    /// <summary>Reads the field that says which model is meant: the one that is served, or that with one of its adapters.</summary>
    /// <returns>The adapter; null for the model without.</returns>
    public string? CheckModel(RequestFields fields) => CheckModel(fields.Text("model") ?? Model);

    /// <summary>Refuses the name of any other model.</summary>
    public string? CheckModel(string? model)
    {
        if (model == Model)
            return null;
        return model is not null && HasAdapter(model)
            ? model
            : throw new ApiException(404, $"The model '{model}' is not served here; '{Model}' is.", "model", "model_not_found");
    }

    public bool HasAdapter(string name) => Engine.Adapters.Any(adapter => adapter.Name == name);

    /// <summary>Reads stream and stream_options.</summary>
    public static (bool IsStream, bool WithUsage) ReadStream(RequestFields fields)
    {
        bool isStream = fields.Flag("stream") ?? false;
        if (fields.Object("stream_options") is not { } options)
            return (isStream, false);
        if (!isStream)
            throw ApiException.Bad("stream_options", "stream_options is only allowed where stream is true.");
        bool withUsage = options.Flag("include_usage") ?? false;
        options.CheckAllRead();
        return (isStream, withUsage);
    }

    /// <summary>Refuses more generations in one request than the queue ever holds.</summary>
    /// <param name="field">What asks for them.</param>
    /// <param name="count">How many.</param>
    public void CheckQueueHolds(string field, int count)
    {
        if (count > generation.Options.MaxQueue)
            throw ApiException.Bad(field, $"{field} asks for {count} answers at once; the queue of this server holds {generation.Options.MaxQueue}.");
    }

    public static string NewId(string prefix) => prefix + Guid.NewGuid().ToString("N");
}
