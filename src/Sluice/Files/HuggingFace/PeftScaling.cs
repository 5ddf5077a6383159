using System.Text.Json;
using System.Text.RegularExpressions;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// What PEFT multiplies an update by: alpha / r, or alpha / sqrt(r) (rank-stabilized LoRA, Kalajdzievski 2023). <c>rank_pattern</c> and
/// <c>alpha_pattern</c> give modules whose name, or its end from a dot on, is matched by a regular expression values of their own.
/// </summary>
internal sealed class PeftScaling
{
    /// <summary>The keys that it reads.</summary>
    public static readonly string[] Keys = ["r", "lora_alpha", "use_rslora", RankPattern, AlphaPattern];

    private const string RankPattern = "rank_pattern", AlphaPattern = "alpha_pattern";

    private readonly JsonFile _config;
    private readonly int _rank;
    private readonly float _alpha;
    private readonly bool _isStabilized;
    private readonly List<(Regex Modules, int Value)> _ranks;
    private readonly List<(Regex Modules, float Value)> _alphas;

    /// <param name="config"><c>adapter_config.json</c>.</param>
    public PeftScaling(JsonFile config)
    {
        _config = config;
        _rank = config.Count("r");
        _alpha = config.PositiveOrNull("lora_alpha") ?? throw config.Missing("lora_alpha");
        _isStabilized = config.BoolOrNull("use_rslora") ?? false;
        _ranks = Patterns(RankPattern, (patterns, key) => patterns.Count(key));
        _alphas = Patterns(AlphaPattern, (patterns, key) => patterns.PositiveOrNull(key) ?? throw patterns.Missing(key));
    }

    /// <summary>The factor of a module's update.</summary>
    /// <param name="module">Its name, as <c>model.layers.0.self_attn.q_proj</c>.</param>
    /// <param name="rank">The rank of its tensors.</param>
    /// <exception cref="InvalidDataException">That is not the rank that the configuration gives it.</exception>
    public float Of(string module, int rank)
    {
        int own = _ranks.Find(pattern => pattern.Modules.IsMatch(module)) is { Modules: not null } ranked ? ranked.Value : _rank;
        float alpha = _alphas.Find(pattern => pattern.Modules.IsMatch(module)) is { Modules: not null } scaled ? scaled.Value : _alpha;
        if (rank != own)
            throw new InvalidDataException($"{_config.Path}: key '{(own == _rank ? "r" : RankPattern)}' gives '{module}' rank {own}, but its tensors are of rank {rank}.");
        return alpha / (_isStabilized ? MathF.Sqrt(rank) : rank);
    }

    private List<(Regex, T)> Patterns<T>(string key, Func<JsonFile, string, T> read)
    {
        return _config.ObjectOrNull(key) is { } patterns ? [.. patterns.Keys.Select(pattern => (Modules(pattern), read(patterns, pattern)))] : [];

        Regex Modules(string pattern)
        {
            try
            {
                return new Regex($@"^(?:.*\.)?(?:{pattern})$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
            }
            catch (ArgumentException)
            {
                _ = _config.TryGet(key, out JsonElement value);
                throw _config.Error(key, $"must have regular expressions, which '{pattern}' is not,", value);
            }
            catch (NotSupportedException)
            {
                throw _config.Unsupported(key, "expressions without lookaround and references are");
            }
        }
    }
}
