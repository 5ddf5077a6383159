namespace Sluice.Models;

/// <summary>The list of architectures. A new one is a file beside this one and a line here.</summary>
public static class Architectures
{
    private static readonly OrderedDictionary<string, Func<ModelLoader, Model>> All = new(StringComparer.Ordinal)
    {
        ["llama"] = Llama.Load,
        ["qwen2"] = Qwen.Load,
        ["qwen2moe"] = Qwen.Load,
        ["qwen3"] = Qwen.Load,
        ["qwen3moe"] = Qwen.Load,
        ["gemma2"] = Gemma.Load2,
        ["gemma3"] = Gemma.Load3,
        ["phi3"] = Phi3.Load,
        ["gpt2"] = Gpt2.Load,
        ["deepseek2"] = DeepSeek2.Load,
        ["gpt-oss"] = GptOss.Load,
        ["mamba"] = Mamba.Load,
        ["bitnet"] = BitNet.Load,
    };

    /// <summary>What <c>general.architecture</c> may say.</summary>
    public static IReadOnlyList<string> Names => All.Keys;

    /// <summary>What makes a model of an architecture, or null where there is none of that name.</summary>
    internal static Func<ModelLoader, Model>? Find(string name) => All.GetValueOrDefault(name);
}
