using Sluice.Tensors.Formats;

namespace Sluice.Cli.Synthesis;

/// <summary>
/// Which tensor gets which type: a plain name (<c>Q8_0</c>) or one of the mixes that go by a name of their own
/// (<c>Q4_K_M</c>). As llama.cpp's quantizer chooses them, so that a made-up file has the size of a real one.
/// </summary>
internal sealed class TypeMix
{
    // Each by the type of most of its tensors.
    private static readonly Dictionary<string, TensorType> Mixes = new()
    {
        ["Q2_K"] = TensorType.Q2_K,
        ["Q3_K_M"] = TensorType.Q3_K,
        ["Q4_K_S"] = TensorType.Q4_K,
        ["Q4_K_M"] = TensorType.Q4_K,
        ["Q5_K_S"] = TensorType.Q5_K,
        ["Q5_K_M"] = TensorType.Q5_K,
        ["IQ4_XS"] = TensorType.IQ4_XS,
    };

    private readonly string _name;
    private readonly TensorType _base;

    public TypeMix(string name) => (_name, _base) = (name, Mixes.TryGetValue(name, out TensorType type) ? type : WeightFormats.Get(name).Type);

    /// <summary>What a type may be.</summary>
    public static IEnumerable<string> Names =>
        WeightFormats.All.Select(format => format.Name).Union(Mixes.Keys).Union(OfCheckpoints);

    // What checkpoints of GPTQ, AWQ, FP8 and bitsandbytes become, as they usually are.
    private static readonly string[] OfCheckpoints =
        ["W2G64Z", "W3G128", "W4G32", "W4G128", "W4G128Z", "W8G128", "W8G256_F32", "F8_E4M3", "F8_E5M2", "NF4", "FP4"];

    /// <summary>The type of a tensor.</summary>
    public TensorType Of(string name, ReadOnlySpan<long> shape, Shape model)
    {
        if (shape.Length == 1 || name.EndsWith("ffn_gate_inp.weight", StringComparison.Ordinal))
            return TensorType.F32; // norms, biases and routers
        TensorType type = Wanted(name, model);
        return shape[0] % WeightFormats.Get(type).BlockSize == 0 ? type : Narrower(type);
    }

    private TensorType Wanted(string name, Shape model)
    {
        bool isQuantized = WeightFormats.Get(_base).BlockSize > 1;
        bool isOutput = name == "output.weight" || (model.IsTied && name == "token_embd.weight");
        if (isOutput && isQuantized && _base != TensorType.Q8_0)
            return TensorType.Q6_K;
        string[] parts = name.Split('.');
        if (parts[0] != "blk")
            return _base;
        int layer = int.Parse(parts[1]);
        bool isEarly = layer < model.Layers / 8, isGrouped = model.Heads / model.KvHeads >= 4;
        // The first and last eighth of the layers, and every third between.
        bool getsMore = isEarly || layer >= 7 * model.Layers / 8 || (layer - (model.Layers / 8)) % 3 == 2;
        return (_name, parts[2].Replace("_exps", "", StringComparison.Ordinal)) switch
        {
            ("Q4_K_M" or "Q5_K_M", "attn_v" or "ffn_down") when getsMore => TensorType.Q6_K,
            ("Q4_K_S", "attn_v") when layer < 4 => TensorType.Q5_K,
            ("Q4_K_S", "ffn_down") when isEarly => TensorType.Q5_K,
            ("Q3_K_M", "attn_v") => layer < 2 ? TensorType.Q5_K : TensorType.Q4_K,
            ("Q3_K_M", "ffn_down") => layer < model.Layers / 16 ? TensorType.Q5_K : getsMore ? TensorType.Q4_K : TensorType.Q3_K,
            ("Q3_K_M", "attn_output") => TensorType.Q4_K,
            ("Q2_K", "attn_v") => isGrouped ? TensorType.Q4_K : TensorType.Q3_K,
            ("Q2_K", "ffn_down" or "attn_output") => TensorType.Q3_K,
            ("IQ4_XS", "attn_v") when isGrouped => TensorType.Q5_K,
            ("IQ4_XS", "ffn_down") when isEarly => TensorType.Q5_K,
            _ => _base,
        };
    }

    /// <summary>For rows that are no multiple of 256: the type of 32 weights a block that is nearest in quality.</summary>
    private static TensorType Narrower(TensorType type) => type switch
    {
        TensorType.Q4_K => TensorType.Q5_0,
        TensorType.Q5_K => TensorType.Q5_1,
        TensorType.Q6_K => TensorType.Q8_0,
        TensorType.TQ1_0 or TensorType.TQ2_0 => TensorType.F16,
        _ => TensorType.IQ4_NL,
    };
}
