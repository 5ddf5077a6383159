using Microsoft.Extensions.AI;

namespace Sluice.Extensions.AI;

/// <summary>Vectors that stand for texts, of a model of an <see cref="Engine"/> in this process. Several threads may use it at once.</summary>
/// <remarks>
/// What a request asks for and Sluice does not have is refused with a <see cref="NotSupportedException"/> that names it. The pooling is
/// set with an <see cref="EmbeddingGenerationOptions.RawRepresentationFactory"/> that returns an <see cref="EmbeddingRequest"/>.
/// </remarks>
/// <example>
/// <code>
/// using Engine engine = Engine.Load("model.gguf");
/// IEmbeddingGenerator&lt;string, Embedding&lt;float&gt;&gt; generator = new SluiceEmbeddingGenerator(engine);
/// ReadOnlyMemory&lt;float&gt; vector = await generator.GenerateVectorAsync("A red ball");
/// </code>
/// </example>
public sealed class SluiceEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly Engine _engine;
    private readonly ModelName _name;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <param name="engine">What runs the model; whoever loaded it disposes it.</param>
    /// <param name="options">Of these, what the model is called; default options if null.</param>
    /// <exception cref="NotSupportedException">The model has no vocabulary.</exception>
    public SluiceEmbeddingGenerator(Engine engine, SluiceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        if (engine.Tokenizer is null)
            throw new NotSupportedException($"{engine.Runner.File.Path} has no vocabulary, so it reads no text.");
        _engine = engine;
        _name = new ModelName(engine, options ?? new SluiceOptions());
        _metadata = new EmbeddingGeneratorMetadata("sluice", null, _name.Value, engine.Runner.Model.Config.Embedding);
    }

    /// <summary>Makes the vectors, which run together: of length 1 each, in the order of the texts.</summary>
    /// <param name="values">The texts.</param>
    /// <param name="options">How; <c>Dimensions</c> keeps the first values, of length 1 again.</param>
    /// <param name="cancellationToken">Gives up and frees the cache at the next step.</param>
    /// <exception cref="NotSupportedException">Something is asked for that Sluice does not have; the message names it.</exception>
    /// <exception cref="ArgumentException">A text has no tokens or more than the context, or there is no such model or number of dimensions.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        EmbeddingRequest request = Request(options);
        if (options?.Dimensions is { } asked && asked > _metadata.DefaultModelDimensions)
            throw new ArgumentException($"Dimensions must be 1 to {_metadata.DefaultModelDimensions}; it is {asked}.", nameof(options));
        Embedding[] made = await _engine.Embed([.. values], request, cancellationToken).ConfigureAwait(false);
        DateTimeOffset created = DateTimeOffset.UtcNow;
        int tokens = made.Sum(embedding => embedding.PromptTokens);
        return new(made.Select(embedding => new Embedding<float>(
            options?.Dimensions is { } dimensions ? embedding.Shorten(dimensions).Values : embedding.Values)
        {
            CreatedAt = created,
            ModelId = request.Adapter ?? _name.Value,
        }))
        {
            Usage = new UsageDetails
            {
                InputTokenCount = tokens,
                CachedInputTokenCount = made.Sum(embedding => embedding.CachedPromptTokens),
                TotalTokenCount = tokens,
            },
        };
    }

    /// <summary>Finds the <see cref="Engine"/>, the <see cref="EmbeddingGeneratorMetadata"/> or this generator.</summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, _metadata, _engine];
        return serviceKey is null ? services.FirstOrDefault(serviceType.IsInstanceOfType) : null;
    }

    /// <summary>Does nothing: the engine belongs to whoever loaded it.</summary>
    public void Dispose()
    {
    }

    private EmbeddingRequest Request(EmbeddingGenerationOptions? options)
    {
        EmbeddingRequest request = options?.RawRepresentationFactory?.Invoke(this) switch
        {
            null => new EmbeddingRequest { Prompt = [] },
            EmbeddingRequest given => given,
            var other => throw new NotSupportedException($"RawRepresentationFactory made a {other.GetType()}, which is no {typeof(EmbeddingRequest)}."),
        };
        if (options?.AdditionalProperties is { Count: > 0 } properties)
            throw new NotSupportedException($"The additional property '{properties.First().Key}' is not supported.");
        return request with { Adapter = _name.Adapter(options?.ModelId, request.Adapter) };
    }
}
