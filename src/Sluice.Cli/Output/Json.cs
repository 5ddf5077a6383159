using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Sluice.Cli.Load;
using Sluice.Files;
using Sluice.Tensors.Cpu;

namespace Sluice.Cli.Output;

/// <summary>What <c>--json</c> writes.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DictionaryKeyPolicy = JsonKnownNamingPolicy.Unspecified,
    Converters = [typeof(MetadataValueConverter)])]
[JsonSerializable(typeof(IReadOnlyList<BenchRow>))]
[JsonSerializable(typeof(PerplexityResult))]
[JsonSerializable(typeof(IReadOnlyList<CompareRow>))]
[JsonSerializable(typeof(QuantizeResult))]
[JsonSerializable(typeof(ImatrixResult))]
[JsonSerializable(typeof(SparsifyResult))]
[JsonSerializable(typeof(InspectResult))]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(TokenizeResult))]
[JsonSerializable(typeof(EmbedResult))]
internal sealed partial class Json : JsonSerializerContext
{
    /// <summary>Writes a value to standard output.</summary>
    public static void Write<T>(T value)
    {
        // Nothing here ends up in a web page, so that letters of every script stay readable.
        JsonWriterOptions options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using Stream output = Console.OpenStandardOutput();
        using (Utf8JsonWriter writer = new(output, options))
            JsonSerializer.Serialize(writer, value, (JsonTypeInfo<T>)Default.GetTypeInfo(typeof(T))!);
        output.Write("\n"u8);
    }
}

/// <summary>The speed of one test.</summary>
/// <param name="Model">Architecture or shape, and the type of its weights.</param>
/// <param name="Size">Bytes of all tensors.</param>
/// <param name="Parameters">Weights.</param>
/// <param name="Threads">Threads that computed.</param>
/// <param name="Test"><c>pp512</c>: a prompt of 512 tokens; <c>tg128</c>: 128 tokens one after the other.</param>
/// <param name="TokensPerSecond">Mean over the repetitions.</param>
/// <param name="Stddev">Its sample standard deviation.</param>
/// <param name="GigabytesPerSecond">For tg, the bytes of weights and cache that every token reads, times the speed.</param>
/// <param name="Samples">Tokens per second of each repetition.</param>
/// <param name="Roofline">What each operation achieves of the machine's limit, if asked for.</param>
internal sealed record BenchRow(
    string Model, long Size, long Parameters, int Threads, string Test, double TokensPerSecond, double Stddev,
    double? GigabytesPerSecond, IReadOnlyList<double> Samples,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] RooflineResult? Roofline = null);

/// <summary>A test beside what the machine can do.</summary>
/// <param name="Limits">What the machine can do, in a second.</param>
/// <param name="OfLimit">The least time of all operations, over the time that the test took.</param>
/// <param name="Operations">The operations, those that take longest first.</param>
internal sealed record RooflineResult(MachineLimits Limits, double OfLimit, IReadOnlyList<RooflineRow> Operations);

/// <summary>What an operation does in one run of a test, and how well.</summary>
/// <param name="Operation">Its name, of a linear map with the weight.</param>
/// <param name="Calls">Calls.</param>
/// <param name="Seconds">The time of all calls.</param>
/// <param name="Share">Of the test's time.</param>
/// <param name="Bytes">Weights, cache rows, inputs and results, each counted once a call.</param>
/// <param name="MultiplyAdds">Of matrix products, attention and states.</param>
/// <param name="GigabytesPerSecond">Those bytes over the time.</param>
/// <param name="GigaMultiplyAddsPerSecond">Those multiply-adds over the time.</param>
/// <param name="Bound">What sets its limit: <c>memory</c>, <c>int8</c> or <c>fp32</c>.</param>
/// <param name="OfLimit">The least time for those bytes or multiply-adds over the time; above 1 where bytes come from a cache.</param>
internal sealed record RooflineRow(
    string Operation, long Calls, double Seconds, double Share, double Bytes, double MultiplyAdds, double GigabytesPerSecond,
    double GigaMultiplyAddsPerSecond, string Bound, double OfLimit);

/// <summary>How well a model predicts a text.</summary>
/// <param name="Perplexity">exp of the mean negative log-likelihood of a token.</param>
/// <param name="Error">Its standard error.</param>
/// <param name="Chunks">Chunks of the text.</param>
/// <param name="Context">Tokens of a chunk.</param>
/// <param name="Tokens">Tokens that were scored.</param>
/// <param name="TokensPerSecond">Tokens run in a second.</param>
/// <param name="Divergence">How far the predictions are from a reference's, if there is one.</param>
internal sealed record PerplexityResult(
    double Perplexity, double Error, int Chunks, int Context, long Tokens, double TokensPerSecond,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DivergenceResult? Divergence = null);

/// <summary>Kullback-Leibler divergences of a model's predictions from a reference's, in nats.</summary>
/// <param name="ReferencePerplexity">The reference's perplexity.</param>
/// <param name="Mean">Over all tokens.</param>
/// <param name="Median">Half of the tokens have less.</param>
/// <param name="P99">99 % of the tokens have less.</param>
/// <param name="Most">The largest.</param>
/// <param name="TopAgreement">The share of tokens for which both find the same one likeliest.</param>
/// <param name="ByPosition">The mean at each position of a chunk, from its second half on.</param>
internal sealed record DivergenceResult(
    double ReferencePerplexity, double Mean, double Median, double P99, double Most, double TopAgreement, IReadOnlyList<double> ByPosition);

/// <summary>A model beside others.</summary>
/// <param name="Model">Its file's name.</param>
/// <param name="Bytes">Of all tensors.</param>
/// <param name="BitsPerWeight">Those bytes over the number of weights.</param>
/// <param name="PromptSpeed">Tokens of a prompt read in a second.</param>
/// <param name="DecodeSpeed">Tokens written in a second.</param>
/// <param name="Quality">On the text, if one is given.</param>
internal sealed record CompareRow(
    string Model, long Bytes, double BitsPerWeight, double PromptSpeed, double DecodeSpeed,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] PerplexityResult? Quality);

/// <summary>What became of a model.</summary>
/// <param name="Outputs">The files written; none of a dry run.</param>
/// <param name="Type">The mix of types.</param>
/// <param name="BytesBefore">Of all tensors.</param>
/// <param name="BytesAfter">Of all tensors.</param>
/// <param name="BitsPerWeight">Bits of a weight, all tensors counted.</param>
/// <param name="Seconds">The time that it took; 0 of a dry run.</param>
/// <param name="Types">How much has each type.</param>
/// <param name="Fallbacks">Tensors that got another type than they should, because their rows are no multiple of its blocks.</param>
/// <param name="Tensors">Every tensor.</param>
/// <param name="Mixed">How types were found, if they were.</param>
internal sealed record QuantizeResult(
    IReadOnlyList<string> Outputs, string Type, long BytesBefore, long BytesAfter, double BitsPerWeight, double Seconds,
    IReadOnlyList<TypeShare> Types, IReadOnlyList<FallbackRow> Fallbacks, IReadOnlyList<QuantizedRow> Tensors,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] MixedResult? Mixed = null);

/// <summary>How types were found: divergences from the model that was quantized, in nats a token.</summary>
/// <param name="Predicted">Those of all tensors added up.</param>
/// <param name="Measured">That of the written model, on text held out of calibration; null of a dry run.</param>
/// <param name="Error">Its standard error.</param>
/// <param name="Tokens">The tokens that were predicted for it.</param>
/// <param name="Frontier">The best that there is at some sizes.</param>
/// <param name="Tensors">What each tensor costs alone.</param>
internal sealed record MixedResult(
    double Predicted, double? Measured, double? Error, int? Tokens, IReadOnlyList<FrontierPoint> Frontier, IReadOnlyList<TensorLoss> Tensors);

internal sealed record FrontierPoint(double BitsPerWeight, long Bytes, double Divergence, bool IsChosen);

internal sealed record TensorLoss(string Name, double Divergence);

internal sealed record FallbackRow(string Name, string Wanted, string Type, long Columns);

internal sealed record QuantizedRow(string Name, IReadOnlyList<long> Shape, string From, string To, long Bytes);

/// <summary>An importance matrix that was written.</summary>
/// <param name="Output">The file.</param>
/// <param name="Entries">Tensors that it knows.</param>
/// <param name="Chunks">Chunks of text that were run, of all files merged.</param>
/// <param name="ChunkSize">Tokens of a chunk.</param>
/// <param name="UnseenExperts">Experts that the text never reached.</param>
/// <param name="Seconds">The time that it took.</param>
internal sealed record ImatrixResult(string Output, int Entries, int Chunks, int ChunkSize, int UnseenExperts, double Seconds);

/// <summary>A model that was given thresholds of activations.</summary>
/// <param name="Output">The file.</param>
/// <param name="Sparsity">The share of inputs that shall count as zero.</param>
/// <param name="Allocation">How it is shared among the maps of a layer.</param>
/// <param name="Seconds">The time that it took.</param>
/// <param name="Tensors">The maps.</param>
internal sealed record SparsifyResult(string Output, float Sparsity, string Allocation, double Seconds, IReadOnlyList<ThresholdRow> Tensors);

/// <param name="Name">The map's tensor.</param>
/// <param name="Threshold">Inputs of a smaller magnitude count as zero.</param>
/// <param name="Share">The share of them on the calibration text.</param>
internal sealed record ThresholdRow(string Name, float Threshold, float Share);

internal sealed record TokenizeResult(IReadOnlyList<int> Tokens, IReadOnlyList<string>? Pieces);

internal sealed record EmbedResult(IReadOnlyList<EmbedRow> Embeddings);

internal sealed record EmbedRow(string Text, int Tokens, IReadOnlyList<float> Embedding);

internal sealed record InspectResult(
    string Path, string? Architecture, string InstructionSet, long FileBytes, long Parameters, long TensorBytes, string? Unsupported,
    IReadOnlyList<TypeShare> Types, MemoryFit? Memory, IReadOnlyDictionary<string, MetadataValue> Metadata, IReadOnlyList<TensorRow> Tensors);

internal sealed record TypeShare(string Type, int Tensors, long Bytes);

/// <param name="Name">As in GGUF.</param>
/// <param name="Type">How it is stored, or what that becomes when it is opened.</param>
/// <param name="Shape">The fastest dimension first.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Kernel">How it is computed with.</param>
/// <param name="Threshold">If inputs of small magnitude count as zero, those below this.</param>
/// <param name="Sparsity">The share of them on the calibration text.</param>
/// <param name="InputRange">The largest magnitude of inputs that a static scale stands for.</param>
/// <param name="RotatesInputs">Whether inputs are rotated first.</param>
internal sealed record TensorRow(
    string Name, string Type, IReadOnlyList<long> Shape, long Bytes, string Kernel,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] float? Threshold = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] float? Sparsity = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] float? InputRange = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool RotatesInputs = false);

/// <param name="Available">Free memory of the machine, in bytes.</param>
/// <param name="Weights">What the weights take.</param>
/// <param name="KvType">How cache rows are packed.</param>
/// <param name="LargestContext">The longest sequence that fits besides the weights; 0 if none does.</param>
/// <param name="Contexts">The cache's size at some lengths.</param>
internal sealed record MemoryFit(
    long Available, long Weights, string KvType, int LargestContext, IReadOnlyList<ContextFit> Contexts);

internal sealed record ContextFit(int Context, long KvBytes, bool Fits);

/// <summary>Metadata as JSON's own kinds; of an array only what it has and how many.</summary>
internal sealed class MetadataValueConverter : JsonConverter<MetadataValue>
{
    public override MetadataValue Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Metadata is only written.");

    public override void Write(Utf8JsonWriter writer, MetadataValue value, JsonSerializerOptions options)
    {
        string text = value.Text ?? value.ToString();
        // Numbers and truth values are written as JSON writes them, but for NaN and the infinities.
        if (value.Text is null && value.Array is null && (value.Type == MetadataType.Bool || (text[^1] is >= '0' and <= '9')))
            writer.WriteRawValue(text);
        else
            writer.WriteStringValue(text);
    }
}
