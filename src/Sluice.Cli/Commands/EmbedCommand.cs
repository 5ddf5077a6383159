using System.CommandLine;
using System.Globalization;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Models;

namespace Sluice.Cli.Commands;

/// <summary>Vectors that stand for texts.</summary>
internal static class EmbedCommand
{
    public static Command Create()
    {
        Argument<string[]> texts = new("TEXT") { Description = "The texts.", Arity = ArgumentArity.OneOrMore };
        ModelArguments model = new();
        AdapterArguments adapter = new();
        Option<string?> pooling = Parsing.Choice(
            "--pooling", "Which of a text's rows make its vector; what the model was made for if not given.", Enum.GetNames<Pooling>().Select(name => name.ToLowerInvariant()));
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "embed", "Write the embedding of each text, a line of numbers: a vector of length 1 that stands for it.",
            "sluice embed --model qwen3-embedding.gguf \"A cat\" \"A dog\"",
            "sluice embed --model llama.gguf --pooling mean --json \"A cat\"")
        {
            texts, pooling, json,
        };
        model.AddTo(command, isRequired: false);
        adapter.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            string[] all = parsed.GetValue(texts)!;
            if (all.Contains(""))
                throw new UsageException("A TEXT is empty.");
            EmbeddingRequest template = new() { Prompt = [], Pooling = parsed.GetValue(pooling) is { } name ? Enum.Parse<Pooling>(name, ignoreCase: true) : null };
            (Engine engine, _) = model.Load(parsed);
            using (engine)
            {
                Embedding[] embeddings = await engine.Embed(all, template with { Adapter = adapter.Load(parsed, engine) }, cancellation);
                if (parsed.GetValue(json))
                    Json.Write(new EmbedResult([.. embeddings.Select((embedding, i) => new EmbedRow(all[i], embedding.PromptTokens, embedding.Values))]));
                else
                {
                    foreach (Embedding embedding in embeddings)
                        Console.Out.WriteLine(string.Join(' ', embedding.Values.Select(value => value.ToString(CultureInfo.InvariantCulture))));
                }
            }
            return CommandLine.Done;
        });
        return command;
    }
}
