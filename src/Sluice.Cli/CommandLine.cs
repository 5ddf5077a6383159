using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Sluice.Cli.Commands;
using Sluice.Cli.Output;
using Sluice.Tokenizers.Templates;

namespace Sluice.Cli;

/// <summary>The commands, and what every run of one has in common: errors, exit codes, interruption.</summary>
internal static class CommandLine
{
    public const int Done = 0, Failed = 1, WrongUsage = 2;

    private static readonly Option<bool> Verbose = new("--verbose")
    {
        Description = "Say more, and show where errors come from.",
        Recursive = true,
    };

    public static async Task<int> RunAsync(string[] args)
    {
        ParseResult parsed = Create().Parse(args);
        string[] errors = Errors(parsed, args);
        if (errors.Length > 0)
        {
            Terminal.Complain(string.Join(' ', errors));
            Console.Error.WriteLine($"'{Path(parsed.CommandResult)} --help' says how to use it.");
            return WrongUsage;
        }

        using Interruption interruption = new();
        try
        {
            InvocationConfiguration configuration = new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            int code = await parsed.InvokeAsync(configuration, interruption.Token);
            bool isService = parsed.CommandResult.Command is SluiceCommand { IsService: true };
            return isService ? code : interruption.ExitCode ?? code;
        }
        catch (OperationCanceledException) when (interruption.ExitCode is not null)
        {
            return interruption.ExitCode.Value;
        }
        catch (UsageException error)
        {
            Terminal.Complain(error.Message);
            return WrongUsage;
        }
        catch (Exception error)
        {
            Terminal.Complain(Describe(error));
            if (parsed.GetValue(Verbose))
                Console.Error.WriteLine(error);
            return Failed;
        }
    }

    private static RootCommand Create()
    {
        RootCommand root = new("Sluice runs language models: GGUF files and Hugging Face folders, on the machine that you have.")
        {
            Verbose,
            RunCommand.Create(),
            ChatCommand.Create(),
            ServeCommand.Create(),
            BenchCommand.Create(),
            EmbedCommand.Create(),
            PerplexityCommand.Create(),
            CompareCommand.Create(),
            QuantizeCommand.Create(),
            ImatrixCommand.Create(),
            SparsifyCommand.Create(),
            LogitsCommand.Create(),
            TokenizeCommand.Create(),
            TemplateCommand.Create(),
            InspectCommand.Create(),
            ExportCommand.Create(),
        };
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    /// <summary>A command as it is typed: <c>sluice bench serve</c>.</summary>
    private static string Path(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "sluice";

    private static string[] Errors(ParseResult parsed, string[] args)
    {
        string[] misplaced = [.. MisplacedOptions(parsed, args)];
        if (misplaced.Length > 0 || parsed.Action is not ParseErrorAction)
            return misplaced;
        string[] messages = [.. parsed.Errors.Select(error => error.Message).Distinct()];
        // An unknown command is reported as a missing one first.
        return parsed.UnmatchedTokens.Count > 0 ? messages[^1..] : messages;
    }

    /// <summary>What looks like an option but was taken for the text of an argument, as a misspelt one is.</summary>
    private static IEnumerable<string> MisplacedOptions(ParseResult parsed, string[] args)
    {
        if (args.Contains("--"))
            return []; // what follows may look like anything
        return parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .Where(token => token.Value.Length > 1 && token.Value[0] == '-')
            .Select(token => $"There is no option '{token.Value}' (a text that begins with '-' follows a '--').");
    }

    /// <summary>One line that says what is wrong.</summary>
    public static string Describe(Exception error)
    {
        string message = error.Message.ReplaceLineEndings(" ");
        // .NET adds a parameter's name to the message, which tells users nothing.
        if (error is ArgumentException { ParamName: { } name })
            message = message.Replace($" (Parameter '{name}')", "");
        // Of a folder that is read as a file, .NET says that access is denied.
        if (error is UnauthorizedAccessException && message.Split('\'') is [_, var path, _] && Directory.Exists(path))
            message = $"{path} is a folder, not a file.";
        bool isExpected = error is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException
            or TemplateException or ArgumentException or InvalidOperationException or OutOfMemoryException or HttpRequestException;
        return isExpected ? message : $"internal error: {error.GetType().Name}: {message} (--verbose says where)";
    }
}

/// <summary>Options that contradict each other, or miss each other.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>A command that shows examples at the end of its help.</summary>
internal sealed class SluiceCommand(string name, string description, params string[] examples) : Command(name, description)
{
    public IReadOnlyList<string> Examples => examples;

    /// <summary>Whether it runs until it is interrupted, so that this is no failure.</summary>
    public bool IsService { get; init; }
}

internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        int code = help.Invoke(parseResult);
        if (parseResult.CommandResult.Command is SluiceCommand { Examples.Count: > 0 } command)
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (string example in command.Examples)
                output.WriteLine("  " + example);
            output.WriteLine();
        }
        return code;
    }
}
