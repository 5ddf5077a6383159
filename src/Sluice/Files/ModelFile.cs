using System.Diagnostics.CodeAnalysis;
using Sluice.Files.HuggingFace;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// An opened model: its metadata and its tensors, by the names that GGUF gives them, whether they come from a GGUF file (or its
/// parts) or from a Hugging Face folder. Opening reads only headers; tensors stay in the mapped files.
/// </summary>
public sealed class ModelFile : IDisposable
{
    private const string ConfigName = "config.json";
    private readonly IReadOnlyList<MappedFile> _files;
    private readonly OrderedDictionary<string, TensorInfo> _tensors;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    internal ModelFile(
        string path, Metadata metadata, OrderedDictionary<string, TensorInfo> tensors, IReadOnlyList<MappedFile> files,
        string? folder = null)
    {
        Path = path;
        Metadata = metadata;
        _tensors = tensors;
        _files = files;
        Folder = folder;
    }

    /// <summary>What was opened.</summary>
    public string Path { get; }

    /// <summary>What people call it: the file's name without its extension, or the folder's, in which a dot is part of a version.</summary>
    public string Name => Folder is null
        ? System.IO.Path.GetFileNameWithoutExtension(Path)
        : System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Folder)));

    /// <summary>The Hugging Face folder, where <c>tokenizer.json</c> lies; null for GGUF, whose vocabulary is inside.</summary>
    public string? Folder { get; }

    /// <summary>The metadata, with GGUF's keys.</summary>
    public Metadata Metadata { get; }

    /// <summary><c>general.architecture</c>: <c>llama</c>, <c>qwen3</c>, ...</summary>
    /// <exception cref="InvalidDataException">The file does not say.</exception>
    public string Architecture => Metadata.GetString("general.architecture");

    /// <summary>The tensors by name, in the file's order.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>The bytes of all tensors.</summary>
    public long TensorBytes => _tensors.Values.Sum(tensor => tensor.Bytes);

    /// <summary>How many weights there are in all tensors.</summary>
    public long Parameters => _tensors.Values.Sum(tensor => tensor.Count);

    /// <summary>What neither <see cref="Tensor"/> nor <see cref="TryGetTensor"/> was asked for, in the file's order.</summary>
    public IEnumerable<string> UnreadTensors => _tensors.Keys.Where(name => !_read.Contains(name));

    /// <summary>The paths of all files that tensors lie in.</summary>
    public IEnumerable<string> Files => _files.Select(file => file.Path);

    /// <summary>The bytes of all files.</summary>
    public long Length => _files.Sum(file => file.Length);

    /// <summary>A tensor.</summary>
    /// <exception cref="InvalidDataException">There is none of that name.</exception>
    public TensorInfo Tensor(string name) => TryGetTensor(name, out TensorInfo? tensor)
        ? tensor
        : throw new InvalidDataException($"{Path}: tensor '{name}' is missing.");

    /// <summary>A tensor, if there is one of that name.</summary>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        if (!_tensors.TryGetValue(name, out tensor))
            return false;
        lock (_read)
            _read.Add(name);
        return true;
    }

    /// <summary>
    /// Opens a model: a GGUF file (one part of a split model opens all of it), a Hugging Face folder with <c>config.json</c> and
    /// safetensors, or a safetensors file in such a folder.
    /// </summary>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">A file is damaged; the message names the file and the key or tensor.</exception>
    /// <exception cref="NotSupportedException">A file is of a kind, or needs something, that Sluice does not have.</exception>
    public static ModelFile Open(string path)
    {
        if (Directory.Exists(path))
            return OpenFolder(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no model at {path}.", path);
        if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) || HasGgufMagic(path))
            return GgufReader.Open(path);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
        {
            string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
            return File.Exists(System.IO.Path.Combine(folder, ConfigName))
                ? HuggingFaceModel.Open(folder, path)
                : throw new InvalidDataException($"{path} needs the {ConfigName} of its Hugging Face folder beside it.");
        }
        throw new NotSupportedException(
            $"{path} is no model that Sluice can read: it is neither a GGUF file nor a Hugging Face folder with safetensors.");
    }

    /// <summary>Closes the files. Nothing may use the tensors after that.</summary>
    public void Dispose()
    {
        foreach (MappedFile file in _files)
            file.Dispose();
    }

    private static ModelFile OpenFolder(string folder)
    {
        if (File.Exists(System.IO.Path.Combine(folder, ConfigName)))
            return HuggingFaceModel.Open(folder);
        string[] models = Directory.GetFiles(folder, "*.gguf");
        Array.Sort(models, StringComparer.Ordinal);
        throw models.Length == 0
            ? new InvalidDataException($"{folder} has neither {ConfigName} nor a GGUF file: there is no model in it.")
            : new InvalidDataException($"{folder} is a folder; open a file in it, such as {models[0]}.");
    }

    private static bool HasGgufMagic(string path)
    {
        using FileStream stream = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length
            && magic.SequenceEqual(GgufReader.Magic);
    }
}
