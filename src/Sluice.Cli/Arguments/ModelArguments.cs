using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Sluice.Cli.Output;
using Sluice.Tensors.KvFormats;

namespace Sluice.Cli.Arguments;

/// <summary>Which model, and how it runs.</summary>
/// <param name="kvType">How the KV cache is stored unless said otherwise; as the engine does if null.</param>
internal sealed class ModelArguments(string? kvType = null)
{
    private static readonly EngineOptions Defaults = new();

    private readonly Option<int> _threads = Parsing.Integer("--threads", "Threads that compute; one a physical core if not given.", 1, EngineOptions.MostThreads, null, "-t");
    private readonly Option<bool> _pin = new("--pin-threads")
    {
        Description = "Keep each thread on a processor of its own: steadier where nothing else runs, slower where something does.",
    };

    private readonly Option<int> _context = Parsing.Integer("--context", "The tokens that a sequence may have; the model's own limit if not given.", 1);
    private readonly Option<long> _kvMemory = Parsing.Size("--kv-memory", "The most memory that the KV cache may take; half of what is free if not given.");
    private readonly Option<string?> _kvType = Parsing.Choice(
        "--kv-type", "How the KV cache is stored.", KvFormats.All.Select(format => format.Name), kvType ?? Defaults.KvFormat);

    private readonly ActivationsOption _activations = new();

    private readonly Option<float?> _sparsity = Parsing.Make<float?>(
        "--activation-sparsity", [], "The share of linear maps' inputs that count as zero, of a model that 'sluice sparsify' found thresholds for; 0: none. What it was meant for if not given.",
        "X", null, false, text => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && value is >= 0 and < 1
            ? value
            : throw new FormatException("a share from 0 to below 1"));

    /// <summary>Which model.</summary>
    public Option<string?> Model { get; } = new("--model", "-m")
    {
        Description = "A GGUF file or a Hugging Face folder.",
        HelpName = "PATH",
    };

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="isRequired">Whether there is no default model.</param>
    /// <param name="hasContext">Whether --context is one of them, with its usual meaning.</param>
    public void AddTo(Command command, bool isRequired, bool hasContext = true)
    {
        Model.Required = isRequired;
        command.Add(Model);
        AddRunningTo(command);
        if (hasContext)
            command.Add(_context);
    }

    /// <summary>Adds the options that say how to run models, for a command that names models in another way.</summary>
    public void AddRunningTo(Command command)
    {
        command.Add(_threads);
        command.Add(_pin);
        command.Add(_kvMemory);
        command.Add(_kvType);
        _activations.AddTo(command);
        command.Add(_sparsity);
    }

    /// <summary>The model's path, or null where none was given.</summary>
    public string? Path(ParseResult parsed) => parsed.GetValue(Model);

    /// <summary>How to run it.</summary>
    public EngineOptions Options(ParseResult parsed) => new()
    {
        Threads = parsed.GetValue(_threads),
        PinThreads = parsed.GetValue(_pin),
        Context = parsed.CommandResult.Command.Options.Contains(_context) ? parsed.GetValue(_context) : 0,
        KvMemory = parsed.GetValue(_kvMemory),
        KvFormat = parsed.GetValue(_kvType)!,
        Activations = _activations.Value(parsed),
        ActivationSparsity = parsed.GetValue(_sparsity),
    };

    /// <summary>Loads the model, or the one that comes with Sluice, for one request at a time.</summary>
    public (Engine Engine, TimeSpan Time) Load(ParseResult parsed)
    {
        string path = Path(parsed) ?? DefaultModel.Path;
        EngineOptions options = Options(parsed) with { Sequences = 1 };
        long start = Stopwatch.GetTimestamp();
        Engine engine = Terminal.Progress("Loading " + System.IO.Path.GetFileName(path), progress => Engine.Load(path, options, progress));
        return (engine, Stopwatch.GetElapsedTime(start));
    }
}
