using Sluice.Files.HuggingFace;

namespace Sluice.Files;

/// <summary>
/// An opened low-rank adapter: a GGUF file of <c>general.type</c> adapter, or a PEFT folder (<c>adapter_config.json</c> and
/// <c>adapter_model.safetensors</c>). Opening reads only headers.
/// </summary>
internal sealed class AdapterFile : IDisposable
{
    private const string DownSuffix = ".lora_a", UpSuffix = ".lora_b";
    private readonly IDisposable _file;

    /// <param name="path">The file, for messages.</param>
    /// <param name="tensors">Named as in GGUF: the model's tensor, and <c>.lora_a</c> or <c>.lora_b</c>.</param>
    /// <param name="factor">What the update of a tensor is multiplied by, given its name in the model and its rank.</param>
    /// <param name="file">Closed with this.</param>
    internal AdapterFile(string path, IReadOnlyDictionary<string, TensorInfo> tensors, Func<string, int, float> factor, IDisposable file)
    {
        (Path, _file) = (path, file);
        Updates = [.. tensors.Keys.Where(name => IsDown(path, name)).Select(name => Pair(tensors, name, factor))];
        string? alone = tensors.Keys.FirstOrDefault(name => name.EndsWith(UpSuffix, StringComparison.Ordinal) && !tensors.ContainsKey(Other(name, DownSuffix)));
        if (alone is not null)
            throw Missing(Other(alone, DownSuffix), alone);
        if (Updates.Count == 0)
            throw new InvalidDataException($"{path} has no tensors.");
    }

    /// <summary>What was opened.</summary>
    public string Path { get; }

    /// <summary>What it adds to which tensors.</summary>
    public IReadOnlyList<AdapterUpdate> Updates { get; }

    /// <summary>Opens an adapter for a model.</summary>
    /// <param name="path">A GGUF file, a PEFT folder, or the safetensors file in one.</param>
    /// <param name="model">The model's metadata.</param>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or for another kind of model; the message names the key or the tensor.</exception>
    /// <exception cref="NotSupportedException">It needs something that Sluice does not have; the message names the key or the tensor.</exception>
    public static AdapterFile Open(string path, Metadata model)
    {
        if (Directory.Exists(path))
            return PeftAdapter.Open(path, model);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no adapter at {path}.", path);
        return path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
            ? PeftAdapter.Open(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, model)
            : GgufAdapter.Open(path, model);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static bool IsDown(string path, string name)
    {
        if (name.EndsWith(DownSuffix, StringComparison.Ordinal))
            return true;
        return name.EndsWith(UpSuffix, StringComparison.Ordinal)
            ? false
            : throw new NotSupportedException($"{path}: tensor '{name}' is neither NAME{DownSuffix} nor NAME{UpSuffix}, which is all that Sluice reads of an adapter.");
    }

    private AdapterUpdate Pair(IReadOnlyDictionary<string, TensorInfo> tensors, string name, Func<string, int, float> factor)
    {
        TensorInfo down = tensors[name];
        TensorInfo up = tensors.GetValueOrDefault(Other(name, UpSuffix)) ?? throw Missing(Other(name, UpSuffix), name);
        (int inputs, int rank) = Matrix(down);
        (int upRank, int outputs) = Matrix(up);
        if (rank != upRank)
            throw new InvalidDataException($"{Path}: tensor '{down.Name}' is of rank {rank}, but '{up.Name}' of rank {upRank}.");
        return new AdapterUpdate(name[..^DownSuffix.Length], down, up, inputs, outputs, rank, factor(name[..^DownSuffix.Length], rank));
    }

    private (int Columns, int Rows) Matrix(TensorInfo tensor)
    {
        long columns = tensor.Shape.Length > 0 ? tensor.Shape[0] : 0, rows = tensor.Shape.Length > 1 ? tensor.Shape[1] : 1;
        return columns is > 0 and <= int.MaxValue && rows is > 0 and <= int.MaxValue && tensor.Shape.Skip(2).All(dimension => dimension == 1)
            ? ((int)columns, (int)rows)
            : throw new NotSupportedException($"{Path}: tensor '{tensor.Name}' is [{string.Join(", ", tensor.Shape)}], not a matrix.");
    }

    private InvalidDataException Missing(string name, string other) => new($"{Path}: tensor '{name}' is missing, though '{other}' is there.");

    private static string Other(string name, string suffix) => name[..^DownSuffix.Length] + suffix;
}

/// <summary>What an adapter adds to a linear map: Factor * B (A x).</summary>
/// <param name="Name">The map's tensor in the model.</param>
/// <param name="A">[inputs, rank].</param>
/// <param name="B">[rank, outputs].</param>
/// <param name="Inputs">The map's inputs.</param>
/// <param name="Outputs">Its outputs.</param>
/// <param name="Rank">The rank.</param>
/// <param name="Factor">What the product is multiplied by.</param>
internal sealed record AdapterUpdate(string Name, TensorInfo A, TensorInfo B, int Inputs, int Outputs, int Rank, float Factor);
