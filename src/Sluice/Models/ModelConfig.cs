using Sluice.Files;

namespace Sluice.Models;

/// <summary>The numbers that all architectures have, read from <c>ARCHITECTURE.*</c> metadata.</summary>
public sealed class ModelConfig
{
    private readonly string _prefix;

    internal ModelConfig(ModelFile file)
    {
        Metadata = file.Metadata;
        Architecture = file.Architecture;
        _prefix = Architecture + ".";
        Layers = Positive("block_count");
        Embedding = Positive("embedding_length");
        ContextLength = Positive("context_length");
        Vocabulary = Rows(file, "token_embd.weight");
        Pooling = ReadPooling();
        Metadata.Ignore(Key("vocab_size")); // the embedding table tells, and some files say something else
    }

    /// <summary>As in <c>general.architecture</c>.</summary>
    public string Architecture { get; }

    /// <summary>All metadata.</summary>
    public Metadata Metadata { get; }

    /// <summary>Layers.</summary>
    public int Layers { get; }

    /// <summary>The width of the residual stream.</summary>
    public int Embedding { get; }

    /// <summary>The positions that the model was trained for.</summary>
    public int ContextLength { get; }

    /// <summary>Token ids.</summary>
    public int Vocabulary { get; }

    /// <summary>
    /// Which rows make a text's embedding: <c>pooling_type</c>; the last token's where the file does not say, for that is the only one
    /// that has seen all of the text in a model in which tokens see those before them alone.
    /// </summary>
    public Pooling Pooling { get; }

    /// <summary>Query heads.</summary>
    public int Heads => Positive("attention.head_count");

    /// <summary>Key-value heads; as many as query heads where the file does not say.</summary>
    public int KvHeads => Divides(Int("attention.head_count_kv", Heads), Heads, "attention.head_count_kv");

    /// <summary>Values of a head's query and key.</summary>
    public int KeyLength => Has("attention.key_length") ? Positive("attention.key_length") : Embedding / Heads;

    /// <summary>Values of a head's value.</summary>
    public int ValueLength => Has("attention.value_length") ? Positive("attention.value_length") : Embedding / Heads;

    /// <summary>The width of the feed-forward layers.</summary>
    public int FeedForward => Positive("feed_forward_length");

    /// <summary>Experts of a mixture; 0 for none.</summary>
    public int Experts => Int("expert_count", 0);

    /// <summary>What keeps root mean square norms from dividing by zero.</summary>
    public float RmsEpsilon => Float("attention.layer_norm_rms_epsilon");

    /// <summary>Whether the file has a key of the architecture.</summary>
    public bool Has(string key) => Metadata.Contains(Key(key));

    /// <summary>An integer.</summary>
    public int Int(string key) => Metadata.GetInt32(Key(key));

    /// <summary>An integer, or the fallback where the key is missing.</summary>
    public int Int(string key, int fallback) => Metadata.GetInt32(Key(key), fallback);

    /// <summary>A number.</summary>
    public float Float(string key) => Metadata.GetFloat(Key(key));

    /// <summary>A number, or the fallback where the key is missing.</summary>
    public float Float(string key, float fallback) => Metadata.GetFloat(Key(key), fallback);

    /// <summary>A truth value, or the fallback where the key is missing.</summary>
    public bool Bool(string key, bool fallback) => Metadata.GetBool(Key(key), fallback);

    /// <summary>A string, or the fallback where the key is missing.</summary>
    public string String(string key, string fallback) => Metadata.GetString(Key(key), fallback);

    /// <summary>Counts keys as read whose values make no difference to the computation.</summary>
    public void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
            Metadata.Ignore(Key(key));
    }

    /// <summary>An integer above zero, and small enough that products of a few stay within 64 bits.</summary>
    public int Positive(string key)
    {
        int value = Int(key);
        return value is > 0 and <= 1 << 28 ? value : throw Wrong(key, value);
    }

    /// <summary>The error of a value that makes no sense.</summary>
    public InvalidDataException Wrong(string key, object value) =>
        new($"{Metadata.Source}: metadata key '{Key(key)}' has the value {value}, which makes no sense here.");

    /// <summary>The error of a value that Sluice does not implement.</summary>
    public NotSupportedException Unsupported(string key, object value) =>
        new($"{Metadata.Source}: metadata key '{Key(key)}' has the value '{value}', which Sluice does not implement.");

    private string Key(string key) => _prefix + key;

    private int Divides(int value, int whole, string key) => value > 0 && whole % value == 0 ? value : throw Wrong(key, value);

    private Pooling ReadPooling() => Int("pooling_type", 0) switch
    {
        0 => Pooling.Last,
        > 0 and <= (int)Pooling.Last and int type => (Pooling)type,
        int type => throw Unsupported("pooling_type", type), // 4 ranks texts
    };

    private static int Rows(ModelFile file, string tensor)
    {
        long[] shape = file.Tensor(tensor).Shape;
        return shape.Length == 2 && shape[1] is > 0 and <= int.MaxValue
            ? (int)shape[1]
            : throw new InvalidDataException($"{file.Path}: tensor '{tensor}' is [{string.Join(", ", shape)}], not a matrix.");
    }
}
