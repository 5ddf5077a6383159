using System.Text.Json;

namespace Sluice.Cli.Tests.Commands;

/// <summary>What <c>sluice run</c> writes when it is told what that must look like.</summary>
public class GrammarTests
{
    private const string Schema = """{"type":"object","properties":{"n":{"type":"integer","minimum":3,"maximum":7}},"required":["n"]}""";

    [Fact]
    public void Writes_what_a_schema_a_pattern_a_choice_and_a_grammar_allow()
    {
        using TemporaryFolder folder = new();
        string schema = Path.Combine(folder.Path, "schema.json"), grammar = Path.Combine(folder.Path, "grammar.gbnf");
        File.WriteAllText(schema, Schema);
        File.WriteAllText(grammar, "root ::= (\"ab\" | \"cd\"){2}\n");
        SluiceProcess.Result result = Run("--json-schema", Schema).Succeeded();
        Assert.InRange(JsonDocument.Parse(result.Output).RootElement.GetProperty("n").GetInt32(), 3, 7);
        Assert.Contains("(complete)", result.Error);
        Assert.InRange(JsonDocument.Parse(Run("--json-schema", schema).Succeeded().Output).RootElement.GetProperty("n").GetInt32(), 3, 7);
        Assert.Matches("^[0-9]{4}$", Run("--regex", "[0-9]{4}", "--temperature", "0").Succeeded().Output);
        Assert.Contains(Run("--choice", "red,green").Succeeded().Output, (string[])["red", "green"]);
        Assert.Matches("^(ab|cd){2}$", Run("--grammar", grammar).Succeeded().Output);
    }

    [Fact]
    public void What_is_wrong_is_said()
    {
        using TemporaryFolder folder = new();
        Run("--json-schema", """{"type":"array","uniqueItems":true}""").Failed(2, "#", "uniqueItems");
        Run("--json-schema", """{"const":"\ud800"}""").Failed(2, "#/const", "Unicode");
        Run("--json-schema", "missing.json").Failed(1, "missing.json");
        Run("--regex", "(a").Failed(2, "--regex", "no end");
        string grammar = Path.Combine(folder.Path, "grammar.gbnf");
        File.WriteAllText(grammar, "root := a");
        Run("--grammar", grammar).Failed(1, "grammar.gbnf", "expected");
        Run("--grammar", "missing.gbnf").Failed(1, "missing.gbnf");
        Run("--regex", "a", "--choice", "a,b").Failed(2, "--regex", "--choice");
    }

    private static SluiceProcess.Result Run(params string[] args) => SluiceProcess.Run(["run", "--seed", "1", "--max-tokens", "100", .. args, "Once upon a time"]);
}
