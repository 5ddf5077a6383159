using Microsoft.Extensions.AI;
using Sluice.Files;
using Sluice.TestData;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Sluice.Extensions.AI.Tests;

/// <summary>What depends on the model: its thoughts, its template, its adapters.</summary>
public sealed class ModelTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sluice-test-");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task ThoughtsAreToldApart()
    {
        using Starter starter = new();
        SluiceChatClient client = new(starter.Engine, new SluiceOptions { Chat = new() { ReasoningStyle = "think" } });
        // The grammar lets it think before it says yes, and it wants nothing but to write "<".
        int open = starter.Engine.Tokenizer!.Encode("<", addSpecial: false)[^1];
        ChatOptions options = new()
        {
            MaxOutputTokens = 40,
            RawRepresentationFactory = _ => new Request
            {
                Prompt = [],
                Grammar = Grammars.Grammar.FromRegex("yes"),
                Sampling = new() { Temperature = 0, LogitBias = new Dictionary<int, float> { [open] = 100 } },
            },
        };
        ChatResponse answer = await client.GetResponseAsync("Well?", options, Cancellation);
        TextReasoningContent thought = Assert.IsType<TextReasoningContent>(Assert.Single(Assert.Single(answer.Messages).Contents));
        Assert.StartsWith("<<", thought.Text, StringComparison.Ordinal);
        Assert.Empty(answer.Text);
        Assert.InRange((long)answer.Usage!.ReasoningTokenCount!, 10, 40);

        options.Reasoning = new() { Output = ReasoningOutput.None };
        Assert.Empty((await client.GetResponseAsync("Well?", options, Cancellation)).Messages.SelectMany(message => message.Contents));
    }

    [Fact]
    public async Task ATemplatesVariablesAreSet()
    {
        string path = Path.Combine(_folder.FullName, "thinker.gguf");
        using (ModelFile file = ModelFile.Open(Starter.Path))
        {
            Metadata metadata = new(path);
            foreach ((string key, MetadataValue value) in file.Metadata)
                metadata.Add(key, value);
            metadata["tokenizer.chat_template"] = "{{ messages[0].content }} {{ reasoning_effort }} {{ enable_thinking }} {{ mood }}";
            GgufWriter.Write(path, metadata, [.. file.Tensors.Values]);
        }
        using Engine engine = Engine.Load(path, new EngineOptions { Context = 128, KvMemory = 1 << 26, Threads = 1 });
        SluiceChatClient client = new(engine);
        Assert.Equal(Tokens("Hi high  "), await PromptAsync(new() { Reasoning = new() { Effort = ReasoningEffort.High } }));
        Assert.Equal(Tokens("Hi  False "), await PromptAsync(new() { Reasoning = new() { Effort = ReasoningEffort.None } }));
        Assert.Equal(Tokens("Hi   merry"), await PromptAsync(new() { AdditionalProperties = new() { ["mood"] = "merry" } }));

        async Task<long?> PromptAsync(ChatOptions options)
        {
            options.MaxOutputTokens = 1;
            return (await client.GetResponseAsync("Hi", options, Cancellation)).Usage!.InputTokenCount;
        }

        long? Tokens(string text) => engine.Tokenizer!.Encode(text).Length;
    }

    [Fact]
    public async Task AnAdapterIsAModelByItsName()
    {
        using Starter starter = new();
        starter.Engine.LoadAdapter("pirate", StarterAdapter.Write(Path.Combine(_folder.FullName, "a.gguf"), 1));
        SluiceEmbeddingGenerator generator = new(starter.Engine);
        ChatOptions options = Starter.Greedy(20);
        ChatResponse plain = await starter.Client.GetResponseAsync("Tell me a story.", options, Cancellation);
        options.ModelId = "pirate";
        ChatResponse adapted = await starter.Client.GetResponseAsync("Tell me a story.", options, Cancellation);
        Assert.Equal(("sluice-starter", "pirate"), (plain.ModelId, adapted.ModelId));
        Assert.NotEqual(plain.Text, adapted.Text);
        Embedding<float> embedding = await generator.GenerateAsync("Once", new() { ModelId = "pirate" }, Cancellation);
        Assert.Equal("pirate", embedding.ModelId);
        Assert.NotEqual((await starter.Engine.Embed("Once", cancellation: Cancellation)).Values, embedding.Vector.ToArray());
    }
}
