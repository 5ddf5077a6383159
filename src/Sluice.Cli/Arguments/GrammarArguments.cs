using System.CommandLine;
using Sluice.Grammars;

namespace Sluice.Cli.Arguments;

/// <summary>What the text must look like.</summary>
internal sealed class GrammarArguments
{
    private readonly Option<string?> _schema = Text("--json-schema", "Write JSON that is valid by this schema: a file, or the schema itself.", "FILE|JSON");
    private readonly Option<string?> _regex = Text("--regex", "Write a text that matches this regular expression as a whole.", "PATTERN");
    private readonly Option<string?> _choice = Text("--choice", "Write one of these texts, which commas separate.", "A,B,...");
    private readonly Option<string?> _grammar = Text("--grammar", "Write a text of the grammar in this file (GBNF, as llama.cpp has it).", "FILE");

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_schema, _regex, _choice, _grammar])
            command.Add(option);
    }

    /// <summary>The grammar that was asked for, if any.</summary>
    public Grammar? Read(ParseResult parsed)
    {
        (Option<string?> Option, Func<string, Grammar> Make)[] all =
        [
            (_schema, text => Grammar.FromJsonSchema(text.TrimStart().StartsWith('{') ? text : File.ReadAllText(text))),
            (_regex, Grammar.FromRegex),
            (_choice, text => Grammar.FromChoice(text.Split(','))),
            (_grammar, path => Grammar.FromGbnf(File.ReadAllText(path))),
        ];
        (Option<string?> Option, Func<string, Grammar> Make)[] given = [.. all.Where(one => parsed.GetValue(one.Option) is not null)];
        if (given.Length == 0)
            return null;
        if (given.Length > 1)
            throw new UsageException($"{given[0].Option.Name} and {given[1].Option.Name} both say what the text must look like: give one.");
        (Option<string?> option, Func<string, Grammar> make) = given[0];
        string value = parsed.GetValue(option)!;
        try
        {
            return make(value);
        }
        catch (GrammarException error) when (!File.Exists(value))
        {
            throw new UsageException($"{option.Name}: {error.Message}");
        }
        catch (GrammarException error)
        {
            throw new InvalidDataException($"{value}: {error.Message}");
        }
    }

    private static Option<string?> Text(string name, string description, string helpName) => new(name) { Description = description, HelpName = helpName };
}
