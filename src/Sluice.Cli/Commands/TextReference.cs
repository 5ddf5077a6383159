using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>The model whose predictions of a text count as right, and the text as its tokens.</summary>
internal sealed record TextReference(Runner Runner, int[] Tokens) : IDisposable
{
    /// <summary>Loads the model, of which nothing is left out.</summary>
    public static TextReference Load(string path, EngineOptions options, int context, string text)
    {
        Runner runner = KnownTokens.Load(path, options with { ActivationSparsity = 0 }, context);
        return new TextReference(runner, Tokenizer.FromModel(runner.File).Encode(text));
    }

    public void Dispose() => Runner.Dispose();
}
