using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Sluice.Files;
using Sluice.Tokenizers.Templates;

namespace Sluice.Cli.Commands;

/// <summary>The prompt that a chat template makes of a context.</summary>
internal static class TemplateCommand
{
    public static Command Create()
    {
        Option<string?> model = new("--model", "-m")
        {
            Description = "A model with a chat template: a GGUF file or a Hugging Face folder.",
            HelpName = "PATH",
        };
        Option<string?> template = new("--template") { Description = "A template (Jinja2).", HelpName = "FILE" };
        Option<string?> name = new("--name")
        {
            Description = "Which of a model's templates, where it has several (tool_use, rag).",
            HelpName = "NAME",
        };
        Option<string> context = new("--context", "-c")
        {
            Description = "The template's variables as a JSON object: messages, add_generation_prompt, tools, ...",
            HelpName = "FILE",
            Required = true,
        };
        Option<DateTime?> now = new("--now")
        {
            Description = "What templates take for the time (2024-07-26T12:00).",
            HelpName = "TIME",
        };
        now.CustomParser = result =>
        {
            if (DateTime.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out DateTime time))
                return time;
            result.AddError($"--now: '{result.Tokens[0].Value}' is no time.");
            return null;
        };
        SluiceCommand command = new(
            "template", "Show the prompt that a chat template makes.",
            "sluice template --model qwen2.5-0.5b-instruct.gguf --context conversation.json",
            "sluice template --template chat_template.jinja --context conversation.json --now 2024-07-26")
        {
            model, template, name, context, now,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(model) is not null == result.GetResult(template) is not null)
                result.AddError("Give either a --model or a --template.");
            if (result.GetResult(name) is not null && result.GetResult(model) is null)
                result.AddError("--name goes with a --model.");
        });
        command.SetAction((parsed, cancellation) =>
        {
            TemplateOptions options = parsed.GetValue(now) is { } time
                ? new() { Clock = new StoppedClock(time) }
                : TemplateOptions.Default;
            using JsonDocument values = ReadContext(parsed.GetValue(context)!);
            string prompt = Load(parsed.GetValue(model), parsed.GetValue(name), parsed.GetValue(template))
                .Render(values.RootElement, options, cancellation);
            using Stream output = Console.OpenStandardOutput();
            output.Write(Encoding.UTF8.GetBytes(prompt));
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }

    private static ChatTemplate Load(string? model, string? name, string? template)
    {
        if (template is not null)
            return ChatTemplate.Parse(File.ReadAllText(template));
        using ModelFile file = ModelFile.Open(model!);
        return ChatTemplate.FromModel(file, name: name);
    }

    private static JsonDocument ReadContext(string path)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllText(path), new JsonDocumentOptions { MaxDepth = 256 });
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path} is no JSON: {error.Message}", error);
        }
    }

    private sealed class StoppedClock(DateTime time) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(DateTime.SpecifyKind(time, DateTimeKind.Unspecified), TimeSpan.Zero);
    }
}
