using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>An adapter of random numbers for a model, written in either format, or merged into the model's weights.</summary>
internal sealed class TestAdapter
{
    private readonly ModelFile _model;
    private readonly float _alpha;
    private readonly int _rank;

    /// <param name="model">The model.</param>
    /// <param name="rank">Of all updates.</param>
    /// <param name="seed">Where random numbers start.</param>
    /// <param name="isAdapted">Which tensors have an update; all linear maps but those of experts if null.</param>
    public TestAdapter(ModelFile model, int rank, int seed, Func<string, bool>? isAdapted = null)
    {
        (_model, _rank, _alpha) = (model, rank, 1.5f * rank);
        Random random = new(seed);
        using ScalarOps ops = new();
        foreach ((string name, LinearMap map) in Model.Load(model, ops).LinearMaps)
        {
            if (map.Weight.Experts == 1 && isAdapted?.Invoke(name) != false)
                Updates.Add(new Update(name, map.Weight.Columns, map.Rows, Values(rank * map.Weight.Columns, map.Weight.Columns), Values(rank * map.Rows, 8 * rank)));
        }

        float[] Values(int count, int fan) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * 3.46 / Math.Sqrt(fan)))];
    }

    /// <summary>A is [rank rows of inputs], B [outputs rows of the rank].</summary>
    public sealed record Update(string Name, int Inputs, int Outputs, float[] A, float[] B);

    public List<Update> Updates { get; } = [];

    /// <summary>Writes the adapter as llama.cpp does.</summary>
    public string WriteGguf(string path, Action<Metadata, List<TensorInfo>>? edit = null)
    {
        Metadata metadata = new(path)
        {
            { "general.type", "adapter" },
            { "general.architecture", _model.Architecture },
            { "adapter.type", "lora" },
            { "adapter.lora.alpha", _alpha },
        };
        List<TensorInfo> tensors = [.. Updates.SelectMany(update => (TensorInfo[])
        [
            Tensor(update.Name + ".lora_a", [update.Inputs, _rank], update.A), Tensor(update.Name + ".lora_b", [_rank, update.Outputs], update.B),
        ])];
        edit?.Invoke(metadata, tensors);
        GgufWriter.Write(path, metadata, tensors);
        return path;
    }

    /// <summary>Writes the adapter as PEFT does for the same model of Hugging Face's.</summary>
    public void WritePeft(TemporaryFolder folder, Action<JsonObject>? edit = null)
    {
        JsonObject config = new()
        {
            ["peft_type"] = "LORA",
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = "some/model",
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["lora_alpha"] = _alpha,
            ["lora_dropout"] = 0.05,
            ["modules_to_save"] = null,
            ["r"] = _rank,
            ["rank_pattern"] = new JsonObject(),
            ["target_modules"] = new JsonArray("q_proj", "v_proj"),
            ["task_type"] = "CAUSAL_LM",
            ["use_dora"] = false,
            ["use_rslora"] = false,
        };
        edit?.Invoke(config);
        folder.Write("adapter_config.json", config.ToJsonString());
        RawSafetensors file = new();
        foreach (Update update in Updates)
        {
            string name = "base_model.model." + HuggingFaceTwin.Name(update.Name)[..^".weight".Length];
            byte[] up = Bytes(update.B).ToArray();
            string part = update.Name.Split('.')[^2];
            if (_model.Architecture == "llama" && part is "attn_q" or "attn_k")
                up = HuggingFaceTwin.Split(up, _model.Metadata.GetInt32($"llama.attention.head_count{(part == "attn_k" ? "_kv" : "")}"), update.Outputs);
            file.Add(name + ".lora_A.weight", "F32", [_rank, update.Inputs], Bytes(update.A));
            file.Add(name + ".lora_B.weight", "F32", [update.Outputs, _rank], up);
        }
        folder.Write("adapter_model.safetensors", file.ToArray());
    }

    /// <summary>Writes the model with W + scale * alpha / rank * B A in place of each W.</summary>
    public string WriteMerged(string path, float scale = 1)
    {
        List<TensorInfo> tensors = [.. _model.Tensors.Values];
        foreach (Update update in Updates)
        {
            // A model whose output map is its embedding table gets one of its own.
            TensorInfo tensor = _model.Tensors.GetValueOrDefault(update.Name) ?? _model.Tensors["token_embd.weight"];
            float[] weights = new float[tensor.Count];
            WeightFormats.Get(tensor.Type).Dequantize(tensor.Data.Span(), weights);
            for (int row = 0; row < update.Outputs; row++)
            {
                for (int column = 0; column < update.Inputs; column++)
                {
                    double sum = 0;
                    for (int r = 0; r < _rank; r++)
                        sum += (double)update.B[(row * _rank) + r] * update.A[(r * update.Inputs) + column];
                    weights[(row * update.Inputs) + column] += (float)(scale * _alpha / _rank * sum);
                }
            }
            tensors.RemoveAll(other => other.Name == update.Name);
            tensors.Add(Tensor(update.Name, tensor.Shape, weights));
        }
        GgufWriter.Write(path, _model.Metadata, tensors);
        return path;
    }

    public static TensorInfo Tensor(string name, long[] shape, float[] values)
    {
        MappedFile file = MappedFile.InMemory(name, values.Length * sizeof(float), out Span<byte> bytes);
        Bytes(values).CopyTo(bytes);
        return new TensorInfo(name, TensorType.F32, shape, file.Bytes);
    }

    private static ReadOnlySpan<byte> Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan());
}
