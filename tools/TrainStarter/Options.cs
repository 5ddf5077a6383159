namespace Sluice.TrainStarter;

/// <summary>What the command line says, with its defaults; paths are relative to the repository.</summary>
internal sealed record Options
{
    private const string WhereToGetText = """
        The default text and teacher lie beside the repository on the machines it is developed on. Elsewhere, download

          TinyStories-valid.txt        from https://huggingface.co/datasets/roneneldan/TinyStories (CDLA-Sharing-1.0)
          tinyllamas/stories260K.gguf  from https://huggingface.co/ggml-org/models (MIT)

        and name them with --corpus and --teacher. docs/starter-model.md says more.
        """;

    private string _corpus = Path.Combine(Root, "..", "shared", "corpora", "tinystories-sample.txt");
    private string _teacher = Path.Combine(Root, "..", "shared", "models", "stories260K-f32.gguf");

    public string Corpus => Existing(_corpus);
    public string Teacher => Existing(_teacher);
    public string Work { get; private set; } = Path.Combine(Root, "artifacts", "starter");
    public string Out { get; private set; } = Path.Combine(Root, "models", "sluice-starter.gguf");
    public long WrittenTokens { get; private set; } = 2_000_000;
    public int Steps { get; private set; } = 2600;
    public int Done { get; private set; }
    public int Threads { get; private set; } = 2;
    public string Prompt { get; private set; } = "Once upon a time";

    public string HeldOut => Path.Combine(Work, "heldout.u16");
    public string Real => Path.Combine(Work, "real.u16");
    public string Written => Path.Combine(Work, "written.u16");
    public string Weights => Path.Combine(Work, "weights.f32");

    private static string Root { get; } = FindRoot();

    /// <exception cref="ArgumentException">An option is unknown, or lacks its value.</exception>
    public static Options Parse(ReadOnlySpan<string> args)
    {
        var options = new Options();
        for (int i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length) throw new ArgumentException($"{args[i]} needs a value.");
            string value = args[i + 1];
            switch (args[i])
            {
                case "--corpus": options._corpus = value; break;
                case "--teacher": options._teacher = value; break;
                case "--work": options.Work = value; break;
                case "--out": options.Out = value; break;
                case "--written": options.WrittenTokens = long.Parse(value); break;
                case "--steps": options.Steps = int.Parse(value); break;
                case "--done": options.Done = int.Parse(value); break;
                case "--threads": options.Threads = int.Parse(value); break;
                case "--prompt": options.Prompt = value; break;
                default: throw new ArgumentException($"There is no option '{args[i]}'. See --help.");
            }
        }
        return options;
    }

    private static string Existing(string path) => File.Exists(path)
        ? path : throw new FileNotFoundException($"'{Path.GetFullPath(path)}' is not there.\n\n{WhereToGetText}");

    private static string FindRoot()
    {
        foreach (string start in (ReadOnlySpan<string>)[AppContext.BaseDirectory, Environment.CurrentDirectory])
            for (string? folder = start; folder is not null; folder = Path.GetDirectoryName(folder))
                if (File.Exists(Path.Combine(folder, "Sluice.slnx"))) return folder;
        return Environment.CurrentDirectory;
    }
}
