using Spectre.Console;

namespace Sluice.Cli.Output;

/// <summary>
/// What is shown to people: on standard error, or on standard output where a table is the result. Colours and moving bars only on
/// a terminal, and no colours where NO_COLOR is set (Spectre.Console sees to that).
/// </summary>
internal static class Terminal
{
    public static IAnsiConsole Error { get; } = Create(Console.Error);

    public static IAnsiConsole Out { get; } = Create(Console.Out);

    /// <summary>Whether standard error is a terminal on which things can move.</summary>
    public static bool IsInteractive { get; } = !Console.IsErrorRedirected && Error.Profile.Capabilities.Ansi;

    /// <summary>Says what went wrong, on one line.</summary>
    public static void Complain(string message)
    {
        Error.Write(new Text("sluice: ", new Style(Color.Red)));
        Console.Error.WriteLine(message);
    }

    /// <summary>Says something on the way, faintly.</summary>
    public static void Note(string message)
    {
        // A console would break the line at its width; only a terminal's own wrapping keeps it whole for those who copy it.
        if (IsInteractive && Error.Profile.Capabilities.ColorSystem != ColorSystem.NoColors)
            Console.Error.WriteLine($"\e[2m{message}\e[0m");
        else
            Console.Error.WriteLine(message);
    }

    /// <summary>A table with borders on a terminal, and one of plain characters elsewhere.</summary>
    public static Table Table(params ReadOnlySpan<string> columns)
    {
        Table table = new() { Border = Console.IsOutputRedirected ? TableBorder.Markdown : TableBorder.Rounded };
        foreach (string column in columns)
            table.AddColumn(new TableColumn(new Text(column)).NoWrap());
        return table;
    }

    /// <summary>Runs work that tells its progress (0 to 1), with a bar on a terminal that goes away at the end.</summary>
    public static T Progress<T>(string what, Func<IProgress<float>, T> work) =>
        Stages(what, report => work(new Reporter(share => report(what, share))));

    /// <summary>The same for work that also tells what it is at.</summary>
    public static T Stages<T>(string first, Func<Action<string, float>, T> work)
    {
        if (!IsInteractive)
            return work((_, _) => { });
        return Error.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(first), maxValue: 1);
                return work((what, share) => (task.Description, task.Value) = (Markup.Escape(what), share));
            });
    }

    private static IAnsiConsole Create(TextWriter writer)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        // A file has no width; lines in it shall not break at a terminal's.
        if (writer == Console.Out ? Console.IsOutputRedirected : Console.IsErrorRedirected)
            console.Profile.Width = 1000;
        return console;
    }

    // Progress<T> of .NET posts to the thread pool, where reports may overtake each other.
    private sealed class Reporter(Action<float> action) : IProgress<float>
    {
        public void Report(float value) => action(value);
    }
}
