using System.CommandLine;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sluice.Chat;
using Sluice.Chat.Styles;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Server;

namespace Sluice.Cli.Commands;

/// <summary>The server.</summary>
internal static class ServeCommand
{
    private const string KeysVariable = "SLUICE_API_KEYS";
    private const int MostSeconds = int.MaxValue / 1000; // timers count milliseconds

    private static readonly Dictionary<string, LogLevel> LogLevels =
        Enum.GetValues<LogLevel>().ToDictionary(level => level.ToString().ToLowerInvariant());

    public static Command Create()
    {
        ServerOptions defaults = new();
        EngineOptions engineDefaults = new();
        ModelArguments model = new();
        Option<string> host = new("--host")
        {
            Description = "The address to listen at; * for all.",
            HelpName = "ADDRESS",
            DefaultValueFactory = _ => defaults.Host,
        };
        Option<int> port = Parsing.Integer("--port", "The port; 0 for any that is free.", 0, ushort.MaxValue, defaults.Port, "-p");
        Option<string?> name = new("--model-name") { Description = "What clients call the model; its file's name if not given.", HelpName = "NAME" };
        Option<string?> toolStyle = Parsing.Choice(
            "--tool-style", "How the model writes the calls of tools; as its chat template looks if not given.", ToolStyle.All.Select(style => style.Name));
        Option<string?> reasoningStyle = Parsing.Choice(
            "--reasoning-style", "How it marks what it thinks, or none to leave that in the text; as its chat template looks if not given.",
            [.. ReasoningStyle.All.Select(style => style.Name), ChatModel.NoReasoning]);
        Option<string?> keyFile = new("--api-key-file")
        {
            Description = $"Keys that clients must give, one a line; {KeysVariable} may have more, separated by commas.",
            HelpName = "PATH",
        };
        Option<int> sequences = Parsing.Integer(
            "--sequences", "How many sequences of full length the KV cache shall have room for, if memory allows.", 1, engineDefaults.Sequences);
        Option<string?> policy = Parsing.Choice(
            "--policy", "The order in which requests are served.", SchedulingPolicies.All.Select(p => p.Name), engineDefaults.Policy);
        Option<int> target = Parsing.Integer(
            "--itl-target", "The time between a request's tokens to aim for, in milliseconds: steps read less of prompts at once; 0: none.", 0, 0);
        Option<bool> disaggregate = new("--disaggregate") { Description = "Read prompts on threads of their own, beside those that write." };
        Option<int> prefillWorkers = Parsing.Integer("--prefill-workers", "The threads that --disaggregate adds; one a physical core if not given.", 1, EngineOptions.MostThreads, null);
        Option<bool> noPrefixes = new("--no-prefix-cache") { Description = "Forget what was computed for a prompt once it is served." };
        Option<KeyValuePair<string, string>[]> lora = new("--lora")
        {
            Description = "Serve a low-rank adapter (GGUF, or a PEFT folder) as a model of this name; may be given several times.",
            HelpName = "NAME=PATH",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
            CustomParser = result => [.. result.Tokens.Select(token => ParseAdapter(token.Value, result.AddError))],
        };
        Option<bool> loraLoading = new("--allow-lora-loading") { Description = "Let clients load and unload adapters, from any file that the server can read." };
        Option<long> disk = Parsing.Size("--kv-disk", "Disk for what the KV cache has no room for any more, to be read rather than computed again; none if not given.");
        Option<int> queue = Parsing.Integer("--max-queue", "The most requests that wait; more are answered with 429.", 1, defaults.MaxQueue);
        Option<int> perKey = Parsing.Integer("--max-concurrency", "The most requests of one key at once; 0: no limit.", 0, defaults.ConcurrencyPerKey);
        Option<int> rate = Parsing.Integer("--max-rate", "The most requests of one key a minute; 0: no limit.", 0, defaults.RequestsPerMinute);
        Option<long> size = Parsing.Size("--max-request-size", "The most bytes of a request; 16M if not given.");
        Option<long> responses = Parsing.Size("--response-memory", "The bytes that responses kept for /v1/responses may take; 64M if not given.");
        Option<int> timeout = Parsing.Integer(
            "--request-timeout", "The longest that a request may take, in seconds.", 1, MostSeconds, (int)defaults.RequestTimeout.TotalSeconds);
        Option<int> shutdown = Parsing.Integer(
            "--shutdown-timeout", "How long open requests may go on when the server stops, in seconds.", 0, MostSeconds, (int)defaults.ShutdownTimeout.TotalSeconds);
        Option<string[]> cors = new("--cors-origin")
        {
            Description = "A web origin whose pages may call the server; may be given several times; * for all.",
            HelpName = "ORIGIN",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
        };
        Option<string?> certificate = new("--tls-certificate") { Description = "Serve HTTPS with this certificate: PEM, or PKCS #12.", HelpName = "PATH" };
        Option<string?> certificateKey = new("--tls-key") { Description = "The certificate's private key, as PEM.", HelpName = "PATH" };
        Option<string?> logLevel = Parsing.Choice(
            "--log-level", "What is logged: requests at information, looks at the server's state at debug.", LogLevels.Keys, "information");
        Option<string?> logFormat = Parsing.Choice("--log-format", "How the log is written.", ["text", "json"], "text");
        Option<bool> logPrompts = new("--log-prompts") { Description = "Log what users write and what the model answers, too." };
        Option<Uri?> otlp = Parsing.Url(
            "--otlp-endpoint", "The OpenTelemetry collector that gets traces, metrics and logs; OTEL_EXPORTER_OTLP_ENDPOINT if not given.");
        SluiceCommand command = new(
            "serve", "Serve a model over HTTP as OpenAI's API does, with a web chat at /.",
            "sluice serve --model qwen2.5-0.5b-instruct.gguf",
            "SLUICE_API_KEYS=secret sluice serve --model llama.gguf --host 0.0.0.0 --port 8000")
        {
            IsService = true,
        };
        model.AddTo(command, isRequired: false);
        ReadOnlySpan<Option> options =
            [sequences, policy, target, disaggregate, prefillWorkers, noPrefixes, disk, lora, loraLoading, host, port, name, toolStyle, reasoningStyle, keyFile, queue, perKey, rate, size,
                responses, timeout, shutdown, cors, certificate, certificateKey, logLevel, logFormat, logPrompts, otlp];
        foreach (Option option in options)
            command.Add(option);
        command.Validators.Add(result =>
        {
            if (result.IsGiven(prefillWorkers) && !result.GetValue(disaggregate))
                result.AddError("--prefill-workers goes with --disaggregate.");
            if (result.GetResult(certificateKey) is not null && result.GetResult(certificate) is null)
                result.AddError("--tls-key goes with --tls-certificate.");
        });
        command.SetAction(async (parsed, cancellation) =>
        {
            ServerOptions server = new()
            {
                Host = parsed.GetValue(host)!,
                Port = parsed.GetValue(port),
                ModelName = parsed.GetValue(name),
                Chat = new ChatOptions { ToolStyle = parsed.GetValue(toolStyle), ReasoningStyle = parsed.GetValue(reasoningStyle) },
                ApiKeys = ReadKeys(parsed.GetValue(keyFile)),
                AllowAdapterLoading = parsed.GetValue(loraLoading),
                MaxQueue = parsed.GetValue(queue),
                ConcurrencyPerKey = parsed.GetValue(perKey),
                RequestsPerMinute = parsed.GetValue(rate),
                MaxRequestBytes = parsed.GetValue(size) is > 0 and long bytes ? bytes : defaults.MaxRequestBytes,
                ResponseMemory = parsed.IsGiven(responses) ? parsed.GetValue(responses) : defaults.ResponseMemory,
                RequestTimeout = TimeSpan.FromSeconds(parsed.GetValue(timeout)),
                ShutdownTimeout = TimeSpan.FromSeconds(parsed.GetValue(shutdown)),
                CorsOrigins = parsed.GetValue(cors) ?? [],
                Certificate = parsed.GetValue(certificate),
                CertificateKey = parsed.GetValue(certificateKey),
                LogLevel = LogLevels[parsed.GetValue(logLevel)!],
                LogJson = parsed.GetValue(logFormat) == "json",
                LogPrompts = parsed.GetValue(logPrompts),
                OtlpEndpoint = parsed.GetValue(otlp),
            };
            try
            {
                server.Validate(); // before the model, which takes longer
            }
            catch (ArgumentException error)
            {
                throw new UsageException(CommandLine.Describe(error));
            }
            string path = model.Path(parsed) ?? DefaultModel.Path;
            EngineOptions engineOptions = model.Options(parsed) with
            {
                Sequences = parsed.GetValue(sequences),
                Policy = parsed.GetValue(policy)!,
                InterTokenTarget = parsed.GetValue(target) is > 0 and int milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null,
                Disaggregate = parsed.GetValue(disaggregate),
                PrefillThreads = parsed.GetValue(prefillWorkers),
                PrefixCache = !parsed.GetValue(noPrefixes),
                KvDisk = parsed.GetValue(disk),
                WarmUp = true,
            };
            using Engine engine = Terminal.Progress("Loading " + Path.GetFileName(path), progress => Engine.Load(path, engineOptions, progress));
            foreach ((string adapter, string file) in parsed.GetValue(lora) ?? [])
                engine.LoadAdapter(adapter, file);
            await using WebApplication app = SluiceServer.Create(engine, server);
            await app.StartAsync(cancellation);
            Terminal.Note(engine.Memory.ToString());
            Terminal.Note($"Serving at {string.Join(", ", app.Urls)}");
            await app.WaitForShutdownAsync(cancellation);
            return CommandLine.Done;
        });
        return command;
    }

    private static KeyValuePair<string, string> ParseAdapter(string text, Action<string> addError)
    {
        int equals = text.IndexOf('=');
        if (equals <= 0 || equals == text.Length - 1)
            addError($"--lora takes a name and a path, as tales=tales.gguf; '{text}' is not.");
        return new(text[..Math.Max(equals, 0)], text[(equals + 1)..]);
    }

    /// <summary>Keys of the file and the environment. A file without any is a mistake, not an open door.</summary>
    private static string[] ReadKeys(string? path)
    {
        string[] fromFile = path is null ? [] : Clean(File.ReadAllLines(path));
        if (path is not null && fromFile.Length == 0)
            throw new InvalidDataException($"{path} has no keys.");
        return [.. fromFile, .. Clean((Environment.GetEnvironmentVariable(KeysVariable) ?? "").Split(','))];
    }

    private static string[] Clean(IEnumerable<string> keys) => [.. keys.Select(key => key.Trim()).Where(key => key.Length > 0)];
}
