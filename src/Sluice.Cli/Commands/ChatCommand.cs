using System.CommandLine;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>A conversation in the terminal.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        ModelArguments model = new();
        SamplingArguments sampling = new(maxTokens: 512);
        Option<string?> system = new("--system") { Description = "What the model is told first.", HelpName = "TEXT" };
        Option<string?> format = Parsing.Choice(
            "--format", "How turns are written; known by the vocabulary if not given.", ChatFormat.All.Select(f => f.Name));
        SluiceCommand command = new(
            "chat", "Talk with a model. /clear begins anew, /exit or Ctrl-D ends.",
            "sluice chat --model qwen2.5-0.5b-instruct.gguf",
            """sluice chat --model llama.gguf --system "You answer in verse." --temperature 0.5""");
        model.AddTo(command, isRequired: false);
        sampling.AddTo(command);
        command.Add(system);
        command.Add(format);
        command.SetAction(async (parsed, cancellation) =>
        {
            (Engine engine, _) = model.Load(parsed);
            using (engine)
            {
                Tokenizer tokenizer = engine.Tokenizer
                    ?? throw new NotSupportedException($"{engine.Runner.File.Path} has no vocabulary, so it cannot talk.");
                ChatFormat chosen = parsed.GetValue(format) is { } name
                    ? ChatFormat.All.First(f => f.Name == name)
                    : ChatFormat.Of(tokenizer);
                Terminal.Note($"Turns are written as {chosen.Name}. /clear begins anew, /exit ends.");
                Conversation conversation = new(engine, tokenizer, chosen, sampling.Request(parsed), parsed.GetValue(system));
                await TalkAsync(conversation, cancellation);
            }
            return CommandLine.Done;
        });
        return command;
    }

    private static async Task TalkAsync(Conversation conversation, CancellationToken cancellation)
    {
        while (true)
        {
            if (!Console.IsInputRedirected)
                Console.Error.Write("> ");
            // Reading a terminal's line cannot be cancelled: wait beside it.
            string? line = await Task.Run(Console.In.ReadLine, cancellation).WaitAsync(cancellation);
            if (line is null or "/exit")
                return;
            if (line == "/clear")
                conversation.Clear();
            else if (line.Length > 0)
                await conversation.AnswerAsync(line, cancellation);
        }
    }

    /// <summary>The tokens of a conversation, which grow with each turn.</summary>
    private sealed class Conversation(Engine engine, Tokenizer tokenizer, ChatFormat format, Request template, string? system)
    {
        private readonly List<int> _tokens = [];

        public void Clear() => _tokens.Clear();

        public async Task AnswerAsync(string text, CancellationToken cancellation)
        {
            int before = _tokens.Count;
            if (_tokens.Count == 0)
                Begin();
            format.AppendTurn(tokenizer, _tokens, ChatFormat.User, text);
            format.AppendAnswerStart(tokenizer, _tokens);
            if (_tokens.Count >= engine.Context)
            {
                Terminal.Complain($"The conversation has {_tokens.Count:N0} tokens, and the context {engine.Context:N0}: /clear begins anew.");
                _tokens.RemoveRange(before, _tokens.Count - before);
                return;
            }
            GenerationSpeed speed = new(_tokens.Count);
            await foreach (GeneratedToken token in engine.Generate(template with { Prompt = [.. _tokens] }, cancellation))
            {
                speed.Count(token);
                Console.Out.Write(token.Text);
                if (token.Finish != FinishReason.EndOfText)
                    _tokens.Add(token.Id);
            }
            format.AppendAnswerEnd(tokenizer, _tokens);
            Console.Out.WriteLine();
            Terminal.Note(speed.ToString());
        }

        private void Begin()
        {
            if (tokenizer is { AddsBos: true, BosId: int start })
                _tokens.Add(start);
            if (system is not null)
                format.AppendTurn(tokenizer, _tokens, ChatFormat.System, system);
        }
    }
}
