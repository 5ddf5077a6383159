using System.CommandLine;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>One completion: its text alone on standard output as it comes, everything else on standard error.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        Argument<string?> prompt = new("PROMPT")
        {
            Description = "The text to continue; '-' reads it from standard input; without one the model begins by itself.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> echo = new("--echo") { Description = "Write the prompt before its continuation." };
        Option<bool> special = new("--special") { Description = "Read names of control tokens in the prompt as these tokens." };
        ModelArguments model = new();
        AdapterArguments adapter = new();
        SamplingArguments sampling = new(maxTokens: 512);
        SluiceCommand command = new(
            "run", "Continue a text.",
            "sluice run \"Once upon a time\"",
            "sluice run --model llama.gguf --temperature 0 --max-tokens 50 \"The capital of France is\"",
            """sluice run --model llama.gguf --seed 7 --stop "." - < prompt.txt""",
            """sluice run --model llama.gguf --json-schema person.json "A person as JSON:" """.TrimEnd())
        {
            prompt,
        };
        model.AddTo(command, isRequired: false);
        adapter.AddTo(command);
        sampling.AddTo(command);
        command.Add(echo);
        command.Add(special);
        command.SetAction(async (parsed, cancellation) =>
        {
            Request template = sampling.Request(parsed); // before the model, which takes longer
            string text = parsed.GetValue(prompt) ?? "";
            if (text == "-")
                text = await Console.In.ReadToEndAsync(cancellation);
            (Engine engine, TimeSpan loading) = model.Load(parsed);
            using (engine)
            {
                Request request = template with
                {
                    Prompt = Tokens(engine, text, parsed.GetValue(special)),
                    Adapter = adapter.Load(parsed, engine),
                };
                if (parsed.GetValue(echo))
                    Console.Out.Write(text);
                await WriteAsync(engine, request, loading, isTextStart: text.Length == 0, cancellation);
            }
            return CommandLine.Done;
        });
        return command;
    }

    /// <summary>Writes what the model says, then says on standard error how fast that was; also when it is interrupted.</summary>
    private static async Task WriteAsync(
        Engine engine, Request request, TimeSpan loading, bool isTextStart, CancellationToken cancellation)
    {
        GenerationSpeed speed = new(request.Prompt.Count);
        try
        {
            await foreach (GeneratedToken token in engine.Generate(request, cancellation))
            {
                speed.Count(token);
                // Vocabularies that write a word's space before it do so before a text's first word too.
                string text = isTextStart ? token.Text.TrimStart(' ') : token.Text;
                isTextStart &= text.Length == 0;
                Console.Out.Write(text);
            }
        }
        finally
        {
            if (!Console.IsOutputRedirected)
                Console.Error.WriteLine();
            Terminal.Note($"loaded in {Numbers.Figure(loading.TotalSeconds)} s; {speed}");
        }
    }

    private static IReadOnlyList<int> Tokens(Engine engine, string text, bool special)
    {
        Tokenizer tokenizer = engine.Tokenizer
            ?? throw new NotSupportedException($"{engine.Runner.File.Path} has no vocabulary, so it cannot continue a text.");
        int[] tokens = tokenizer.Encode(text, parseSpecial: special);
        if (tokens.Length > 0)
            return tokens;
        return tokenizer.BosId is int start
            ? [start]
            : throw new UsageException("This model has no token that begins a text: give it a PROMPT.");
    }
}
