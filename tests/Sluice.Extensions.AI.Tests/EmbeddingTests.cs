using Microsoft.Extensions.AI;
using Sluice.Models;

namespace Sluice.Extensions.AI.Tests;

/// <summary>Embeddings are those of the engine.</summary>
public class EmbeddingTests(Starter starter) : IClassFixture<Starter>
{
    private static readonly string[] Texts = ["A red ball", "A big dog ran to the park", "A red ball"];

    private readonly SluiceEmbeddingGenerator _generator = new(starter.Engine);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task VectorsAreTheEngines()
    {
        GeneratedEmbeddings<Embedding<float>> made = await _generator.GenerateAsync(Texts, cancellationToken: Cancellation);
        Sluice.Embedding[] expected = await starter.Engine.Embed(Texts, cancellation: Cancellation);
        Assert.Equal(expected.Select(one => one.Values), made.Select(one => one.Vector.ToArray()));
        Assert.NotEqual(made[0].Vector.ToArray(), made[1].Vector.ToArray());
        Assert.Equal(expected.Sum(one => one.PromptTokens), made.Usage!.InputTokenCount);
        Assert.Equal(made.Usage.InputTokenCount, made.Usage.TotalTokenCount);
        Assert.All(made, one => Assert.Equal("sluice-starter", one.ModelId));
        Assert.All(made, one => Assert.Equal(_generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions, one.Dimensions));
        Assert.Empty(await _generator.GenerateAsync([], cancellationToken: Cancellation));
    }

    [Fact]
    public async Task DimensionsAndPoolingAreAsAsked()
    {
        Sluice.Embedding first = await starter.Engine.Embed(Texts[1], new EmbeddingRequest { Prompt = [], Pooling = Pooling.First }, Cancellation);
        EmbeddingGenerationOptions options = new()
        {
            Dimensions = 8,
            RawRepresentationFactory = _ => new EmbeddingRequest { Prompt = [], Pooling = Pooling.First },
        };
        ReadOnlyMemory<float> vector = await _generator.GenerateVectorAsync(Texts[1], options, Cancellation);
        Assert.Equal(first.Shorten(8).Values, vector.ToArray());
        Assert.NotEqual(vector.ToArray(), (await _generator.GenerateVectorAsync(Texts[1], new() { Dimensions = 8 }, Cancellation)).ToArray());
    }

    [Fact]
    public async Task WhatIsNotSupportedIsRefusedByName()
    {
        await ThrowsAsync<ArgumentException>("gpt-9", new() { ModelId = "gpt-9" });
        await ThrowsAsync<ArgumentException>("Dimensions", new() { Dimensions = 100_000 });
        await ThrowsAsync<NotSupportedException>("color", new() { AdditionalProperties = new() { ["color"] = 1 } });
        await ThrowsAsync<NotSupportedException>("System.String", new() { RawRepresentationFactory = _ => "x" });
        await Assert.ThrowsAsync<ArgumentException>(() =>
            _generator.GenerateAsync([string.Join(' ', Enumerable.Repeat("ball", 600))], cancellationToken: Cancellation));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            _generator.GenerateAsync(Texts, cancellationToken: new CancellationToken(canceled: true)));
        await starter.IdleAsync();

        async Task ThrowsAsync<T>(string named, EmbeddingGenerationOptions options)
            where T : Exception =>
            Assert.Contains(named, (await Assert.ThrowsAnyAsync<T>(() => _generator.GenerateAsync(Texts, options, Cancellation))).Message, StringComparison.Ordinal);
    }
}
