using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>Gives Hugging Face's tensors the names and the layout that GGUF has for them.</summary>
internal sealed class TensorMap(TensorLayout layout)
{
    private const string LayerPrefix = "layers.", ExpertsPart = ".experts.", AdapterPrefix = "base_model.model.";

    /// <summary>The tensor as GGUF has it; false for one that GGUF leaves out.</summary>
    /// <param name="path">The file that it is in, for messages.</param>
    /// <param name="tensor">The tensor as the file has it.</param>
    /// <param name="mapped">The tensor with GGUF's name; of an expert, a matrix of the one tensor that GGUF has for all.</param>
    /// <param name="expert">The expert's number, or -1.</param>
    /// <exception cref="NotSupportedException">Its name or its type is none that these models have.</exception>
    /// <exception cref="InvalidDataException">Its shape does not fit config.json.</exception>
    public bool TryMap(string path, TensorInfo tensor, [NotNullWhen(true)] out TensorInfo? mapped, out int expert)
    {
        mapped = null;
        expert = -1;
        string name = WithoutPrefix(tensor.Name);
        // Derived from config.json; old checkpoints carry it.
        if (name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal))
            return false;
        if (tensor.Name == "lm_head.weight" && layout.TiedEmbeddings)
            return false;
        string rest = name;
        if (layout.PredictionLayers > 0 && TakeNumber(ref rest, LayerPrefix, layout.Layers + layout.PredictionLayers) >= layout.Layers)
            return false;
        string gguf = Name(name, out expert)
            ?? throw new NotSupportedException(
                $"{path}: tensor '{tensor.Name}' is none that Sluice knows in a {layout.Architecture.ModelType} model.");
        if (WeightFormats.Find(tensor.Type) is null)
        {
            throw new NotSupportedException(
                $"{path}: tensor '{tensor.Name}' is of {tensor.Type}, and config.json's quantization_config does not say how to read that.");
        }

        mapped = Arrange(path, tensor, gguf, Heads(gguf));
        // A map to one number, which GGUF has as a vector.
        if (gguf.EndsWith("ffn_gate_inp_shexp.weight", StringComparison.Ordinal) && mapped.Shape is [_, 1])
            mapped = new TensorInfo(gguf, mapped.Type, [mapped.Shape[0]], mapped.Data);
        // GGUF has norms and biases in F32, whatever the matrices are.
        if ((mapped.Shape.Length == 1 || gguf.EndsWith(".bias", StringComparison.Ordinal)) && mapped.Type is not TensorType.F32)
            mapped = Widen(path, mapped);
        return true;
    }

    /// <summary>GGUF's name of a tensor, or null where it is none that it knows.</summary>
    public string? NameOf(string name) => Name(WithoutPrefix(name), out _);

    /// <summary>The row that each of a tensor's rows, as <see cref="TryMap"/> gives it, has in the file.</summary>
    public int[] FileRows(string gguf, int rows)
    {
        int[] order = [.. Enumerable.Range(0, rows)];
        int half = layout.HeadDim / 2;
        if (layout.Architecture.InterleavedRope && Heads(gguf) > 0)
        {
            for (int row = 0; row < rows; row++)
                order[row] = row / layout.HeadDim * layout.HeadDim + row % layout.HeadDim / 2 + row % 2 * half;
        }
        return order;
    }

    /// <summary>A tensor of a PEFT adapter as GGUF has it: the name of the model's tensor, and <c>.lora_a</c> or <c>.lora_b</c>.</summary>
    /// <param name="path">The file that it is in, for messages.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="module">What PEFT calls the linear map, as <c>model.layers.0.self_attn.q_proj</c>.</param>
    /// <exception cref="NotSupportedException">Its name or its type is none that adapters of these models have.</exception>
    /// <exception cref="InvalidDataException">Its shape does not fit the model.</exception>
    public TensorInfo MapAdapter(string path, TensorInfo tensor, out string module)
    {
        // base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
        const string Down = ".lora_A.weight", Up = ".lora_B.weight";
        string name = tensor.Name.StartsWith(AdapterPrefix, StringComparison.Ordinal) ? tensor.Name[AdapterPrefix.Length..] : tensor.Name;
        bool isUp = name.EndsWith(Up, StringComparison.Ordinal);
        module = isUp || name.EndsWith(Down, StringComparison.Ordinal) ? name[..^Down.Length] : "";
        int expert = -1;
        string? gguf = module.Length > 0 ? Name(WithoutPrefix(module) + ".weight", out expert) : null;
        if (gguf is null or "token_embd.weight" || expert >= 0)
        {
            throw new NotSupportedException(
                $"{path}: tensor '{tensor.Name}' is none that Sluice knows in an adapter for {layout.Architecture.ModelType} models.");
        }
        // The rows that change places are the outputs.
        return Arrange(path, tensor, gguf + (isUp ? ".lora_b" : ".lora_a"), isUp ? Heads(gguf) : 0);
    }

    // A model without a head leaves out the prefix.
    private static string WithoutPrefix(string name) => name.StartsWith("model.", StringComparison.Ordinal) ? name["model.".Length..] : name;

    private TensorInfo Arrange(string path, TensorInfo tensor, string name, int heads) => layout.Architecture.InterleavedRope && heads > 0
        ? Interleave(path, tensor, name, heads)
        : tensor.As(name);

    private string? Name(string name, out int expert)
    {
        expert = -1;
        if (!name.StartsWith(LayerPrefix, StringComparison.Ordinal))
        {
            return name switch
            {
                "embed_tokens.weight" => "token_embd.weight",
                "norm.weight" => "output_norm.weight",
                "lm_head.weight" => "output.weight",
                _ => null,
            };
        }
        int layer = TakeNumber(ref name, LayerPrefix, layout.Layers);
        expert = TakeNumber(ref name, ExpertsPart, layout.Experts);
        return layer >= 0 && layout.Architecture.Names.TryGetValue(name[(LayerPrefix.Length + 2)..], out string? part)
            ? string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.{part}")
            : null;
    }

    /// <summary>Puts an asterisk in the place of the number after a part of a name; -1 where there is none below the limit.</summary>
    private static int TakeNumber(ref string name, string part, int limit)
    {
        int start = name.IndexOf(part, StringComparison.Ordinal) + part.Length, end = name.IndexOf('.', start);
        if (start < part.Length || end < 0
            || !int.TryParse(name.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number >= limit)
        {
            return -1;
        }
        name = $"{name[..start]}*{name[end..]}";
        return number;
    }

    // How many heads a tensor's rows are, or 0 for a tensor whose rows are not rotated.
    private int Heads(string gguf) =>
        gguf.EndsWith(".attn_q.weight", StringComparison.Ordinal) ? layout.Heads
        : gguf.EndsWith(".attn_k.weight", StringComparison.Ordinal) ? layout.KvHeads
        : 0;

    /// <summary>
    /// The rows of each head in the order of interleaved rotation: row i of the first half goes to 2i, row i of the second half,
    /// which it rotates with, to 2i + 1.
    /// </summary>
    private TensorInfo Interleave(string path, TensorInfo tensor, string name, int heads)
    {
        int half = layout.HeadDim / 2;
        if (tensor.Shape.Length != 2 || tensor.Shape[1] != (long)heads * layout.HeadDim)
        {
            throw new InvalidDataException(
                $"{path}: tensor '{tensor.Name}' has shape [{string.Join(", ", tensor.Shape)}] "
                + $"where {heads} heads of {layout.HeadDim} rows were expected.");
        }
        CheckCopy(path, tensor, tensor.Bytes);
        return new TensorInfo(name, tensor.Type, tensor.Shape, tensor.Bytes, () =>
        {
            ReadOnlySpan<byte> source = tensor.Data.Span();
            MappedFile copy = MappedFile.InMemory(path, source.Length, out Span<byte> target);
            int row = (int)(tensor.Bytes / tensor.Shape[1]);
            for (int head = 0; head < heads; head++)
            {
                ReadOnlySpan<byte> first = source.Slice(head * layout.HeadDim * row, half * row);
                ReadOnlySpan<byte> second = source.Slice((head * layout.HeadDim + half) * row, half * row);
                for (int i = 0; i < half; i++, target = target[(2 * row)..])
                {
                    first.Slice(i * row, row).CopyTo(target);
                    second.Slice(i * row, row).CopyTo(target[row..]);
                }
            }
            tensor.Release();
            return copy.Bytes;
        })
        { ColumnOrder = tensor.ColumnOrder, InputRange = tensor.InputRange };
    }

    private static TensorInfo Widen(string path, TensorInfo tensor)
    {
        long bytes = tensor.Count * sizeof(float);
        CheckCopy(path, tensor, bytes);
        return new TensorInfo(tensor.Name, TensorType.F32, tensor.Shape, bytes, () =>
        {
            MappedFile copy = MappedFile.InMemory(path, (int)bytes, out Span<byte> target);
            WeightFormats.Get(tensor.Type).Dequantize(tensor.Data.Span(), MemoryMarshal.Cast<byte, float>(target));
            return copy.Bytes;
        });
    }

    private static void CheckCopy(string path, TensorInfo tensor, long bytes)
    {
        if (bytes > int.MaxValue / 2)
            throw new NotSupportedException($"{path}: tensor '{tensor.Name}' has {bytes} bytes, too many to rearrange.");
    }
}
