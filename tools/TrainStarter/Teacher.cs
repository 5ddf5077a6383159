using System.Runtime.InteropServices;
using Sluice.Files;
using Sluice.Tensors.Formats;
using Sluice.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Sluice.TrainStarter;

/// <summary>
/// A trained llama model whose predictions the new one learns from, and whose vocabulary it takes. It was trained with one
/// token (1) between stories; the new model ends a story with 2 and begins one with 1, which is translated here.
/// </summary>
internal sealed class Teacher : IDisposable
{
    private readonly ModelFile _file;
    private readonly Llama _model;

    /// <exception cref="InvalidDataException">The file lacks something, or is no llama model.</exception>
    /// <exception cref="NotSupportedException">Its weights are not all F32.</exception>
    public Teacher(string path)
    {
        _file = ModelFile.Open(path);
        if (_file.Architecture != "llama") throw new InvalidDataException($"{path}: the teacher must be a llama model.");
        int Get(string key) => Metadata.GetInt32("llama." + key);
        Tokenizer = Tokenizer.FromModel(_file);
        if (Tokenizer.BosId != Mark.Begin || Tokenizer.EosId != Mark.End)
            throw new NotSupportedException($"{path}: the teacher's begin and end tokens must be {Mark.Begin} and {Mark.End}.");
        var shape = new LlamaShape(Tokenizer.VocabularySize, Get("embedding_length"), Get("block_count"), Get("attention.head_count"),
            Get("attention.head_count_kv"), Get("feed_forward_length"), Get("context_length"));
        if (_file.TryGetTensor("output.weight", out TensorInfo? output)
            && !output.Data.Span().SequenceEqual(_file.Tensor("token_embd.weight").Data.Span()))
            throw new NotSupportedException($"{path}: the teacher's output matrix must be its embedding.");
        if (shape.Vocabulary != LlamaShape.Starter.Vocabulary)
            throw new NotSupportedException($"{path}: the teacher has {shape.Vocabulary} tokens; the starter model has {LlamaShape.Starter.Vocabulary}.");
        _model = Llama.From(shape, Weights, trainable: false);
    }

    public Metadata Metadata => _file.Metadata;

    public Tokenizer Tokenizer { get; }

    public LlamaShape Shape => _model.Shape;

    /// <summary>How probable the teacher finds each next token, in the new model's terms.</summary>
    /// <param name="tokens">int64 [batch, time].</param>
    /// <returns>float32 [batch, time, vocabulary].</returns>
    public Tensor Probabilities(Tensor tokens)
    {
        using var none = no_grad();
        Tensor isEnd = tokens == Mark.End;
        Tensor probabilities = _model.Forward(tokens.masked_fill(isEnd, (long)Mark.Begin)).softmax(-1);
        Tensor begin = probabilities.narrow(-1, Mark.Begin, 1);
        probabilities.narrow(-1, Mark.End, 1).add_(begin);
        begin.zero_();
        Tensor certain = zeros(Shape.Vocabulary);
        certain[Mark.Begin] = 1f;
        return where(isEnd.unsqueeze(-1), certain, probabilities);
    }

    /// <summary>Writes stories: <paramref name="batch"/> sequences of a whole context each, in the new model's terms.</summary>
    public ushort[] Write(int batch, double temperature)
    {
        using var none = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var cache = new KvCache(Shape, batch);
        Tensor token = full([batch, 1], (long)Mark.Begin, int64);
        List<Tensor> written = [token];
        for (int t = 1; t < Shape.Context; t++)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor logits = _model.Forward(token, cache).squeeze(1) / temperature;
            token = multinomial(logits.softmax(-1), 1).MoveToOuterDisposeScope();
            written.Add(token);
        }
        long[] all = [.. cat(written, 1).flatten().data<long>()];
        List<ushort> tokens = new(all.Length * 101 / 100);
        for (int i = 0; i < all.Length; i++)
        {
            if (all[i] == Mark.Begin && i % Shape.Context != 0) tokens.Add(Mark.End);
            tokens.Add((ushort)all[i]);
        }
        return [.. tokens];
    }

    public void Dispose()
    {
        _model.Dispose();
        _file.Dispose();
    }

    private float[] Weights(string name)
    {
        TensorInfo tensor = _file.Tensor(name);
        return tensor.Type == TensorType.F32
            ? MemoryMarshal.Cast<byte, float>(tensor.Data.Span()).ToArray()
            : throw new NotSupportedException($"{_file.Path}: {name} is {tensor.Type}; a teacher has F32 weights.");
    }
}
