using System.CommandLine;
using Sluice.Chat;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Tokenizers.Templates;

namespace Sluice.Cli.Commands;

/// <summary>A conversation in the terminal.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        ModelArguments model = new();
        AdapterArguments adapter = new();
        SamplingArguments sampling = new(maxTokens: 512);
        Option<string?> system = new("--system") { Description = "What the model is told first.", HelpName = "TEXT" };
        Option<string?> format = Parsing.Choice(
            "--format", "How turns are written; as the model's own template says if not given, or by what its vocabulary looks like.", ChatFormat.All.Select(f => f.Name));
        SluiceCommand command = new(
            "chat", "Talk with a model. Ctrl-C stops an answer, /clear begins anew, /exit or Ctrl-D ends.",
            "sluice chat --model qwen2.5-0.5b-instruct.gguf",
            """sluice chat --model llama.gguf --system "You answer in verse." --temperature 0.5""");
        model.AddTo(command, isRequired: false);
        adapter.AddTo(command);
        sampling.AddTo(command);
        command.Add(system);
        command.Add(format);
        command.SetAction(async (parsed, cancellation) =>
        {
            Request template = sampling.Request(parsed); // before the model, which takes longer
            (Engine engine, _) = model.Load(parsed);
            using (engine)
            {
                ChatModel chat = new(engine, new ChatOptions { Format = parsed.GetValue(format) });
                Terminal.Note($"Turns are written {chat.Description}. /clear begins anew, /exit ends.");
                Conversation conversation = new(engine, chat, template with { Adapter = adapter.Load(parsed, engine) }, parsed.GetValue(system));
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

    /// <summary>What was said so far. Each turn makes the prompt anew, as templates may look at the whole of it.</summary>
    private sealed class Conversation(Engine engine, ChatModel model, Request template, string? system)
    {
        private readonly List<ChatMessage> _messages = [];

        public void Clear() => _messages.Clear();

        public async Task AnswerAsync(string text, CancellationToken cancellation)
        {
            if (_messages.Count == 0 && system is not null)
                _messages.Add(new ChatMessage(ChatFormat.System, system));
            _messages.Add(new ChatMessage(ChatFormat.User, text));
            PreparedChat chat = model.Prepare(new ChatRequest { Messages = _messages, Generation = template });
            int length = chat.Request.Prompt.Count;
            if (length >= engine.Context)
            {
                Terminal.Complain($"The conversation has {length:N0} tokens, and the context {engine.Context:N0}: /clear begins anew.");
                _messages.RemoveAt(_messages.Count - 1);
                return;
            }
            GenerationSpeed speed = new(length);
            AnswerReader reader = chat.Reader();
            ChatAnswer answer = new();
            bool isThinking = false;
            await using (StopKeys keys = new(cancellation))
            {
                try
                {
                    await foreach (GeneratedToken token in engine.Generate(chat.Request, keys.Token))
                    {
                        speed.Count(token);
                        foreach (ChatDelta delta in reader.Read(token))
                            Show(delta);
                    }
                }
                catch (OperationCanceledException) when (keys.ArePressed)
                {
                    // What there is of the answer stays in the conversation.
                }
            }
            _messages.Add(answer.Message);
            Console.Out.WriteLine();
            Terminal.Note(speed.ToString());

            void Show(ChatDelta delta)
            {
                answer.Add(delta);
                if (delta is ReasoningDelta thought)
                    Console.Error.Write(thought.Text);
                if (isThinking && delta is not ReasoningDelta)
                    Console.Error.WriteLine("\n");
                isThinking = delta is ReasoningDelta;
                if (delta is ContentDelta content)
                    Console.Out.Write(content.Text);
            }
        }
    }
}
