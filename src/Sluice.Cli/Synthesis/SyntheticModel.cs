using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Cli.Synthesis;

/// <summary>
/// A GGUF file of random weights in a published model's shape: it says nothing, and runs as fast as the real one. It lies in the
/// system's folder for temporary files and is deleted with this object, unless the caller says where to keep it.
/// </summary>
internal sealed class SyntheticModel : IDisposable
{
    private const int Piece = 1 << 20;
    private const int ContextLength = 131072;

    private readonly bool _isKept;

    private SyntheticModel(string path, bool isKept) => (Path, _isKept) = (path, isKept);

    /// <summary>The file.</summary>
    public string Path { get; }

    // What checkpoints of GPTQ, AWQ, FP8, bitsandbytes and compressed-tensors become, as they usually are.
    private static readonly TypeMix[] OfCheckpoints =
    [
        .. new[] { "W2G64Z", "W3G128", "W4G32", "W4G128", "W4G128Z", "W8G128", "W8G256_F32", "F8_E4M3", "F8_E5M2", "NF4", "FP4", "NVFP4_F32" }
            .Select(name => new TypeMix(name, null, WeightFormats.Get(name).Type, [])),
    ];

    /// <summary>What its weights may be.</summary>
    public static IEnumerable<TypeMix> Mixes => TypeMixes.All.Concat(OfCheckpoints);

    /// <summary>Writes one.</summary>
    /// <param name="shape">The published model's shape.</param>
    /// <param name="type">A weight format, or a mix of them.</param>
    /// <param name="keepAt">Where to keep it, as for another engine to run the same file; null for a temporary file.</param>
    /// <param name="cancellation">Stops the writing.</param>
    /// <exception cref="IOException">The disk has too little room.</exception>
    public static SyntheticModel Create(Shape shape, string type, string? keepAt, CancellationToken cancellation)
    {
        TypeMix mix = Mixes.First(mix => mix.Name.Equals(type, StringComparison.OrdinalIgnoreCase));
        (string Name, TensorType Type, long[] Shape)[] tensors =
            [.. shape.Tensors().Select(tensor => (tensor.Name, mix.Choose(tensor.Name, tensor.Shape, shape.Model), tensor.Shape))];
        long total = tensors.Sum(tensor => Bytes(tensor.Type, tensor.Shape));
        string path = System.IO.Path.GetFullPath(
            keepAt ?? System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"sluice-bench-{Environment.ProcessId}.gguf"));
        OutputFile.Check(path);
        string folder = System.IO.Path.GetDirectoryName(path)!;
        SyntheticModel model = new(path, keepAt is not null);
        long room = new DriveInfo(folder).AvailableFreeSpace;
        if (total > room)
            throw new IOException($"A model of {Numbers.Bytes(total)} does not fit in {folder}, where {Numbers.Bytes(room)} are free. TMPDIR chooses another folder.");
        Dictionary<TensorType, byte[]> weights = [];
        Terminal.Progress($"Making up {shape.Name} {type}", progress =>
        {
            using GgufWriter writer = GgufWriter.Create(model.Path, Describe(shape, type));
            foreach ((string name, TensorType tensorType, long[] dimensions) in tensors)
                writer.Declare(name, tensorType, dimensions);
            long written = 0;
            foreach ((string name, TensorType tensorType, long[] dimensions) in tensors)
            {
                if (!weights.TryGetValue(tensorType, out byte[]? piece))
                    weights[tensorType] = piece = RandomWeights.Make(WeightFormats.Get(tensorType), Piece);
                for (long left = Bytes(tensorType, dimensions); left > 0; left -= piece.Length)
                {
                    cancellation.ThrowIfCancellationRequested();
                    int count = (int)Math.Min(left, piece.Length);
                    writer.Write(name, piece.AsSpan(0, count));
                    progress.Report((float)((written += count) / (double)total));
                }
            }
            writer.Finish();
            return written;
        });
        return model;
    }

    public void Dispose()
    {
        if (!_isKept)
            File.Delete(Path);
    }

    private static long Bytes(TensorType type, long[] shape) =>
        WeightFormats.Get(type).Bytes(shape.Aggregate(1L, (product, dimension) => checked(product * dimension)));

    private static Metadata Describe(Shape shape, string type)
    {
        string prefix = shape.Architecture + ".";
        Metadata metadata = new(shape.Name)
        {
            { "general.architecture", shape.Architecture },
            { prefix + "vocab_size", (uint)shape.Vocabulary },
            { "general.name", $"{shape.Name} {type}, random weights" },
            { prefix + "block_count", (uint)shape.Layers },
            { prefix + "context_length", (uint)ContextLength },
            { prefix + "embedding_length", (uint)shape.Embedding },
            { prefix + "feed_forward_length", (uint)shape.FeedForward },
            { prefix + "attention.head_count", (uint)shape.Heads },
            { prefix + "attention.head_count_kv", (uint)shape.KvHeads },
            { prefix + "attention.key_length", (uint)shape.HeadDimension },
            { prefix + "attention.value_length", (uint)shape.HeadDimension },
            { prefix + "attention.layer_norm_rms_epsilon", 1e-5f },
            { prefix + "rope.freq_base", 500000f },
            { prefix + "rope.dimension_count", (uint)shape.HeadDimension },
        };
        MadeUpVocabulary.AddTo(metadata, shape.Vocabulary);
        if (shape.Experts > 0)
        {
            metadata.Add(prefix + "expert_count", (uint)shape.Experts);
            metadata.Add(prefix + "expert_used_count", (uint)shape.UsedExperts);
            metadata.Add(prefix + "expert_feed_forward_length", (uint)shape.FeedForward);
        }
        return metadata;
    }
}
