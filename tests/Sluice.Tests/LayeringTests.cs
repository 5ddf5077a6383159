using System.Text.RegularExpressions;
using Sluice.TestData;

namespace Sluice.Tests;

/// <summary>Folders inside Sluice depend on each other in one direction only (docs/architecture.md).</summary>
public partial class LayeringTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Files"] = [],
        ["Tokenizers"] = ["Files"],
        ["Chat"] = ["Files", "Tokenizers", "Grammars", "Engine"],
        ["Sampling"] = [],
        ["Grammars"] = ["Tokenizers"],
        ["Cache"] = [],
        ["Models"] = ["Files", "Cache"],
        ["Engine"] = ["Files", "Tokenizers", "Grammars", "Sampling", "Cache", "Models"],
        ["Evaluation"] = ["Cache", "Engine", "Tokenizers"],
    };

    /// <summary>What of Models the engine may name: nothing that belongs to one architecture.</summary>
    private static readonly string[] SeenByEngine = ["Model", "ModelOptions", "ModelConfig", "Pooling"];

    [Fact]
    public void Folders_use_only_those_below_them()
    {
        string root = Path.Combine(SharedFiles.Root, "src", "Sluice");
        Dictionary<string, string> files = Directory.GetDirectories(root)
            .Where(folder => Path.GetFileName(folder) is not ("bin" or "obj"))
            .SelectMany(folder => Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories))
            .ToDictionary(path => path, path => Code(File.ReadAllText(path)));
        // A name that two folders declare (nested helpers) says nothing about direction.
        Dictionary<string, string> folderOf = files
            .SelectMany(file => Declaration().Matches(file.Value).Select(match => (Name: match.Groups[1].Value, Folder: Folder(root, file.Key))))
            .Distinct().GroupBy(type => type.Name).Where(types => types.Count() == 1).ToDictionary(types => types.Key, types => types.Single().Folder);
        Assert.True(folderOf.Count > 50);
        List<string> wrong = [];
        foreach ((string path, string code) in files)
        {
            string folder = Folder(root, path);
            Assert.True(Allowed.ContainsKey(folder), $"{folder} has no rule in this test");
            foreach (string name in Identifier().Matches(code).Select(match => match.Value).Distinct())
            {
                if (!folderOf.TryGetValue(name, out string? other) || other == folder)
                    continue;
                bool allowed = Allowed[folder].Contains(other) && !(folder == "Engine" && other == "Models" && !SeenByEngine.Contains(name));
                // A member may be called like another folder's type.
                if (!allowed && Regex.IsMatch(code, $@"(?<!\.)(\bnew {name}\b|\b{name}\.[A-Z]|\b{name}[?]? [a-z_]\w*\b|(?<=[<(]){name}[>?\[])"))
                    wrong.Add($"{Path.GetRelativePath(root, path)} uses {name} of {other}");
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Unsafe_code_is_in_Sluice_Tensors_alone()
    {
        foreach (string project in Directory.GetFiles(Path.Combine(SharedFiles.Root, "src"), "*.csproj", SearchOption.AllDirectories))
            Assert.Equal(Path.GetFileName(project) == "Sluice.Tensors.csproj", File.ReadAllText(project).Contains("AllowUnsafeBlocks", StringComparison.Ordinal));
    }

    private static string Folder(string root, string path) => Path.GetRelativePath(root, path).Split(Path.DirectorySeparatorChar)[0];

    /// <summary>The text without comments and strings.</summary>
    private static string Code(string text) => Regex.Replace(text, @"//.*|""(\\.|[^""\\\n])*""", "");

    [GeneratedRegex(@"\b(?:class|struct|interface|enum|record(?: struct)?) ([A-Z]\w*)")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"\b[A-Z]\w*")]
    private static partial Regex Identifier();
}
