using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;

namespace Sluice.Files.HuggingFace;

/// <summary>The tensors of one linear map, by the ends of their names; those that <see cref="Take"/> gives are used up.</summary>
internal sealed class QuantizedModule(string name)
{
    private readonly OrderedDictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _taken = [];

    /// <summary>The map's name.</summary>
    public string Name => name;

    /// <summary>The file of its first tensor, for messages.</summary>
    public string Path => _tensors.GetAt(0).Value.Path;

    public void Add(string suffix, StoredTensor tensor) => _tensors.Add(suffix, tensor);

    /// <summary>Whether there is such a tensor, of one of these types if any are given.</summary>
    public bool Has(string suffix, params ReadOnlySpan<TensorType> types) =>
        _tensors.TryGetValue(suffix, out StoredTensor tensor) && (types.IsEmpty || types.Contains(tensor.Info.Type));

    /// <summary>A tensor of one of these types.</summary>
    /// <exception cref="InvalidDataException">It is missing, or of another type.</exception>
    public TensorInfo Take(string suffix, params ReadOnlySpan<TensorType> types)
    {
        if (!_tensors.TryGetValue(suffix, out StoredTensor tensor))
            throw new InvalidDataException($"{Path}: tensor '{name}.{suffix}' is missing, which belongs to '{_tensors.GetAt(0).Value.Info.Name}'.");
        if (!types.Contains(tensor.Info.Type))
            throw Error(suffix, $"is of {tensor.Info.Type}, not of {string.Join(" or ", types.ToArray())}");
        _taken.Add(suffix);
        return tensor.Info;
    }

    /// <summary>A tensor of one of these types, if there is one.</summary>
    public TensorInfo? TakeIfThere(string suffix, params ReadOnlySpan<TensorType> types) => Has(suffix) ? Take(suffix, types) : null;

    /// <summary>Uses up a tensor that is not needed, if there is one.</summary>
    public void Drop(string suffix)
    {
        if (Has(suffix))
            _taken.Add(suffix);
    }

    /// <summary>A tensor of one of the three plain types of floats.</summary>
    public TensorInfo TakeFloats(string suffix) => Take(suffix, TensorType.F16, TensorType.BF16, TensorType.F32);

    /// <summary>A scale that all have in common, times its largest code; 0 if there is none.</summary>
    /// <param name="suffix">Which tensor.</param>
    /// <param name="largestCode">0 for a scale that is not used.</param>
    /// <exception cref="InvalidDataException">It is not one positive number.</exception>
    public float TakeRange(string suffix, float largestCode)
    {
        if (!Has(suffix))
            return 0;
        TensorInfo scale = TakeFloats(suffix);
        if (largestCode == 0)
            return 0;
        if (scale.Count != 1)
            throw Error(suffix, $"has shape [{string.Join(", ", scale.Shape.Reverse())}] where one scale of all inputs was expected");
        float range = Floats(scale)[0] * largestCode;
        return float.IsFinite(range) && range > 0 ? range : throw Error(suffix, $"is {Floats(scale)[0]}, which is no scale");
    }

    /// <summary>What was not taken, without a bias of zeros, which some programs write for maps that have none.</summary>
    public IEnumerable<StoredTensor> Rest() => _tensors
        .Where(tensor => !_taken.Contains(tensor.Key) && !(_taken.Count > 0 && tensor.Key == "bias" && IsZero(tensor.Value.Info)))
        .Select(tensor => tensor.Value);

    /// <summary>Checks a shape, which has the slowest dimension first, as the file has it.</summary>
    public void CheckShape(string suffix, TensorInfo tensor, params ReadOnlySpan<long> expected)
    {
        long[] shape = [.. tensor.Shape.Reverse()];
        if (!expected.SequenceEqual(shape))
            throw Error(suffix, $"has shape [{string.Join(", ", shape)}] where [{string.Join(", ", expected.ToArray())}] was expected");
    }

    /// <summary>Two dimensions, the slowest first.</summary>
    public (int Rows, int Columns) Matrix(string suffix, TensorInfo tensor) => tensor.Shape is [<= int.MaxValue and long columns, <= int.MaxValue and long rows]
        ? ((int)rows, (int)columns)
        : throw Error(suffix, $"has shape [{string.Join(", ", tensor.Shape.Reverse())}], which is no matrix's");

    /// <summary>The bytes of the weight that is made of the tensors, in memory.</summary>
    /// <exception cref="NotSupportedException">They are too many.</exception>
    public int BytesOf(WeightFormat format, int rows, int columns)
    {
        long bytes = format.Bytes((long)rows * columns);
        return bytes <= int.MaxValue / 2 ? (int)bytes : throw new NotSupportedException($"{Path}: '{name}' has {bytes} bytes, too many to rearrange.");
    }

    public InvalidDataException Error(string suffix, string problem) => new($"{Path}: tensor '{name}.{suffix}' {problem}.");

    /// <summary>A tensor's numbers.</summary>
    public static float[] Floats(TensorInfo tensor)
    {
        float[] values = new float[tensor.Count];
        tensor.Dequantize(0, values);
        return values;
    }

    /// <summary>A tensor's integers.</summary>
    public static ReadOnlySpan<int> Integers(TensorInfo tensor) => MemoryMarshal.Cast<byte, int>(tensor.Data.Span());

    private static bool IsZero(TensorInfo tensor) => !tensor.Data.Span().ContainsAnyExcept((byte)0);
}
