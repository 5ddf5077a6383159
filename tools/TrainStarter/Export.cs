using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.TrainStarter;

/// <summary>Writes the trained model as GGUF: matrices in Q8_0, norms in F32, and the teacher's vocabulary.</summary>
internal static class Export
{
    private const int MostlyQ8_0 = 7; // general.file_type

    public static void Run(Options options)
    {
        using var teacher = new Teacher(options.Teacher);
        using Llama model = Checkpoint.Load(options.Weights);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(options.Out))!);

        using GgufWriter writer = GgufWriter.Create(options.Out, Metadata(model.Shape, teacher.Metadata));
        foreach ((string name, long[] shape) in model.Shape.Weights())
            writer.Declare(name, Format(shape).Type, [.. shape.Reverse()]);
        foreach ((string name, long[] shape) in model.Shape.Weights())
        {
            float[] values = [.. model.Weights[name].data<float>()];
            byte[] blocks = new byte[Format(shape).Bytes(values.Length)];
            Format(shape).Quantize(values, blocks);
            writer.Write(name, blocks);
        }
        writer.Finish();
        Console.WriteLine($"{options.Out}: {new FileInfo(options.Out).Length} bytes");
    }

    private static WeightFormat Format(long[] shape) => WeightFormats.Get(shape.Length == 1 ? TensorType.F32 : TensorType.Q8_0);

    private static Metadata Metadata(LlamaShape shape, Metadata teacher)
    {
        var metadata = new Metadata("starter model")
        {
            { "general.architecture", "llama" },
            { "general.name", "Sluice starter" },
            { "general.description", "A small model that tells simple stories, made for Sluice: docs/starter-model.md." },
            { "general.license", "mit" },
            { "general.file_type", (uint)MostlyQ8_0 },
            { "general.quantization_version", 2u },
            { "llama.context_length", (uint)shape.Context },
            { "llama.embedding_length", (uint)shape.Width },
            { "llama.block_count", (uint)shape.Layers },
            { "llama.feed_forward_length", (uint)shape.FeedForward },
            { "llama.attention.head_count", (uint)shape.Heads },
            { "llama.attention.head_count_kv", (uint)shape.KvHeads },
            { "llama.attention.layer_norm_rms_epsilon", shape.NormEpsilon },
            { "llama.rope.dimension_count", (uint)shape.HeadWidth },
            { "llama.rope.freq_base", 10000f },
            { "llama.vocab_size", (uint)shape.Vocabulary },
        };
        foreach ((string key, MetadataValue value) in teacher)
            if (key.StartsWith("tokenizer.", StringComparison.Ordinal)) metadata.Add(key, value);
        return metadata;
    }
}
