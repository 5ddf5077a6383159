using System.Runtime.InteropServices;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// Rotates a model, whose function stays as it is (QuaRot, Ashkboos et al. 2024; SpinQuant without learning): the residual stream by one
/// random Hadamard rotation, and each head's values by another. Weights and activations then have no outliers that would cost the others
/// their bits. All of it is folded into the weights, so that nothing is done at run time; but for online rotations, of what the maps read that
/// write to the residual stream, which <see cref="Ops"/> does (<see cref="RotatedInputs"/>).
/// </summary>
public static class ModelRotation
{
    private const int Piece = 1 << 24; // weights of tables that are changed row by row

    /// <summary>The maps of a layer that write to the residual stream.</summary>
    private static readonly string[] Writers = ["attn_output", "ffn_down", "ffn_down_exps", "ffn_down_shexp", "ssm_out"];

    /// <summary>What stands in the way: norms that centre, or that scale what is written.</summary>
    private static readonly string[] Obstacles = ["attn_norm.bias", "post_ffw_norm.weight"];

    /// <summary>Writes the rotated model: float32 tensors as such, all others that change as F16.</summary>
    /// <param name="file">The model, of float types.</param>
    /// <param name="path">The GGUF file to write.</param>
    /// <param name="seed">Of the random signs.</param>
    /// <param name="isOnline">Whether there are online rotations too.</param>
    /// <param name="progress">Told the share that is done.</param>
    /// <param name="cancellation">Stops the work; nothing is left behind.</param>
    /// <exception cref="InvalidDataException">A weight is no finite number; the message names the tensor.</exception>
    /// <exception cref="NotSupportedException">Its norms do not let a rotation through.</exception>
    public static void Write(
        ModelFile file, string path, int seed = 1, bool isOnline = false, Action<float>? progress = null, CancellationToken cancellation = default)
    {
        Dictionary<string, TensorRotation> rotations = Plan(file, seed, isOnline);
        bool isTied = !file.Tensors.ContainsKey("output.weight");
        List<(string Name, TensorInfo Tensor)> all = [.. file.Tensors.Values.Select(tensor => (tensor.Name, tensor))];
        if (isTied)
            all.Add(("output.weight", file.Tensor(FoldRules.Embedding))); // the last norm's weights go into it alone
        Metadata metadata = ModelMetadata.Copy(file);
        ActivationRanges.Remove(metadata);
        ActivationThresholds.Remove(metadata);
        FoldedChanges.Add(metadata, FoldedChanges.Rotation);
        if (isOnline)
            RotatedInputs.Write(metadata, rotations.Where(rotation => rotation.Value.IsOnline).Select(rotation => rotation.Key));
        using GgufWriter writer = GgufWriter.Create(path, metadata);
        foreach ((string name, TensorInfo tensor) in all)
            writer.Declare(name, rotations.ContainsKey(name) ? Stored(tensor) : tensor.Type, tensor.Shape);
        int done = 0;
        foreach ((string name, TensorInfo tensor) in all)
        {
            if (rotations.TryGetValue(name, out TensorRotation? rotation))
                Write(writer, name, tensor, rotation, cancellation);
            else
                writer.Write(name, tensor.Data);
            tensor.Release();
            progress?.Invoke((float)++done / all.Count);
        }
        writer.Finish();
    }

    private static TensorType Stored(TensorInfo tensor) => tensor.Type == TensorType.F32 ? TensorType.F32 : TensorType.F16;

    private static void Write(GgufWriter writer, string name, TensorInfo tensor, TensorRotation rotation, CancellationToken cancellation)
    {
        WeightFormat from = WeightFormats.Get(tensor.Type), to = WeightFormats.Get(Stored(tensor));
        // A bias of what is written is a column of it.
        int columns = rotation.Outputs is not null && tensor.Shape.Length == 1 ? 1 : checked((int)tensor.Shape[0]), matrix = checked((int)(tensor.Count / MatrixToQuantize.CountOf(tensor)));
        // A map's outputs are rotated across its rows, so that it takes all of them; others take some rows at a time.
        int piece = rotation.Outputs is null ? Math.Min(matrix, Math.Max(1, Piece / columns) * columns) : matrix;
        for (int expert = 0; expert < MatrixToQuantize.CountOf(tensor); expert++)
        {
            for (int start = 0; start < matrix; start += piece)
            {
                cancellation.ThrowIfCancellationRequested();
                float[] values = new float[Math.Min(piece, matrix - start)];
                from.Dequantize(tensor.Data.Span(from.Bytes((long)expert * matrix + start), checked((int)from.Bytes(values.Length))), values);
                WeightCheck.Check(values, new MatrixToQuantize(tensor, expert, matrix / columns, columns, from, default), start / columns);
                rotation.Apply(values, columns);
                byte[] bytes = new byte[to.Bytes(values.Length)];
                to.Quantize(values, bytes);
                writer.Write(name, bytes);
            }
        }
    }

    private static Dictionary<string, TensorRotation> Plan(ModelFile file, int seed, bool isOnline)
    {
        if (RotatedInputs.Read(file.Metadata).Count > 0)
            throw new NotSupportedException($"{file.Path} cannot be rotated: it has online rotations already.");
        string? obstacle = file.Tensors.Keys.FirstOrDefault(name => Obstacles.Any(end => name.EndsWith('.' + end, StringComparison.Ordinal)));
        if (obstacle is not null)
            throw new NotSupportedException($"{file.Path} cannot be rotated: {obstacle} stands between its maps and the residual stream.");
        TensorInfo? quantized = file.Tensors.Values.FirstOrDefault(tensor => WeightFormats.Find(tensor.Type)?.BlockSize > 1);
        if (quantized is not null)
            throw new NotSupportedException($"{file.Path} cannot be rotated: {quantized.Name} is quantized already ({quantized.TypeName}).");
        int width = file.Metadata.GetInt32(file.Architecture + ".embedding_length");
        HadamardRotation residual = new(width, seed);
        Dictionary<string, TensorRotation> plan = new() { [FoldRules.Embedding] = new() { Inputs = residual } };
        FoldNorm(file.Tensor("output_norm.weight"), ["output.weight"]);
        foreach (FoldPair pair in FoldPair.Find(file))
        {
            if (pair.IsVector && pair.ReadsResidual)
            {
                FoldNorm(pair.From, pair.To.Select(to => to.Name));
            }
            else if (pair.HeadWidth > 0)
            {
                HadamardRotation heads = new(pair.HeadWidth, seed + 1);
                TensorRotation values = Of(pair.From.Name);
                (values.Outputs, values.FirstOutput) = (heads, pair.FirstRow);
                Of(pair.To[0].Name).Inputs = heads;
                string bias = pair.From.Name[..^"weight".Length] + "bias";
                if (file.Tensors.ContainsKey(bias))
                    (Of(bias).Outputs, Of(bias).FirstOutput) = (heads, pair.FirstRow);
            }
        }
        foreach (TensorInfo tensor in file.Tensors.Values.Where(tensor => tensor.Name.StartsWith("blk.", StringComparison.Ordinal)))
        {
            string[] name = tensor.Name.Split('.');
            if (name.Length == 4 && Writers.Contains(name[2]))
            {
                if (name[3] == "weight")
                    (Of(tensor.Name).Outputs, Of(tensor.Name).IsOnline) = (residual, isOnline);
                else
                    Of(tensor.Name).Inputs = residual; // a bias is a row, or a row for each expert
            }
        }
        return plan;

        void FoldNorm(TensorInfo norm, IEnumerable<string> readers)
        {
            float[] weights = new float[norm.Count];
            norm.Dequantize(0, weights);
            Of(norm.Name).IsOnes = true;
            foreach (string reader in readers)
                (Of(reader).Factors, Of(reader).Inputs) = (weights, residual);
        }

        TensorRotation Of(string name) => CollectionsMarshal.GetValueRefOrAddDefault(plan, name, out _) ??= new TensorRotation();
    }
}
