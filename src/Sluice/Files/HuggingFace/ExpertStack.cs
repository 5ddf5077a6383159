using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// The experts of a layer, which Hugging Face's files have apart, as the one tensor [columns, rows, experts] that GGUF has. Nothing is
/// copied but what has to be rewritten anyway.
/// </summary>
/// <param name="name">GGUF's name.</param>
/// <param name="count">How many experts there are.</param>
internal sealed class ExpertStack(string name, int count)
{
    private readonly Dictionary<int, (string Path, string HubName, TensorInfo Tensor)> _experts = [];

    /// <summary>Takes an expert's matrix.</summary>
    /// <param name="expert">Its number.</param>
    /// <param name="path">The file that it is in.</param>
    /// <param name="hubName">Its name there.</param>
    /// <param name="tensor">The matrix.</param>
    /// <exception cref="InvalidDataException">There is one already.</exception>
    public void Add(int expert, string path, string hubName, TensorInfo tensor)
    {
        if (!_experts.TryAdd(expert, (path, hubName, tensor)))
            throw new InvalidDataException($"{path}: tensor '{hubName}' occurs twice.");
    }

    /// <summary>The one tensor.</summary>
    /// <exception cref="InvalidDataException">An expert is missing, or their shapes differ.</exception>
    /// <exception cref="NotSupportedException">Their types differ.</exception>
    public TensorInfo ToTensor()
    {
        if (_experts.Count < count)
        {
            int missing = Enumerable.Range(0, count).First(expert => !_experts.ContainsKey(expert));
            (string where, string other, _) = _experts.First().Value;
            throw new InvalidDataException($"{where}: expert {missing} of {count} has no tensor such as '{other}'.");
        }
        (string path, string firstName, TensorInfo first) = _experts[0];
        TensorInfo[] matrices = new TensorInfo[count];
        for (int i = 0; i < count; i++)
        {
            (string file, string hubName, matrices[i]) = _experts[i];
            if (matrices[i].Shape.Length != 2 || !matrices[i].Shape.SequenceEqual(first.Shape))
            {
                throw new InvalidDataException(
                    $"{file}: tensor '{hubName}' is [{string.Join(", ", matrices[i].Shape)}], and '{firstName}' [{string.Join(", ", first.Shape)}].");
            }
        }
        // One range must do for all: the largest, if each has one.
        bool hasRange = Array.TrueForAll(matrices, matrix => matrix.InputRange > 0);
        return new TensorInfo(name, path, OfOneType(matrices))
        {
            ColumnOrder = Array.Exists(matrices, matrix => matrix.ColumnOrder is not null) ? [.. matrices.SelectMany(Order)] : null,
            InputRange = hasRange ? matrices.Max(matrix => matrix.InputRange) : 0,
        };

        static IEnumerable<int> Order(TensorInfo matrix) => matrix.ColumnOrder ?? Enumerable.Range(0, (int)matrix.Shape[0]);
    }

    /// <summary>
    /// Integers of equal bits and groups differ in whether they need zero points and how exact scales are, for that is read off each
    /// matrix; here all get what one of them needs.
    /// </summary>
    private TensorInfo[] OfOneType(TensorInfo[] matrices)
    {
        if (Array.TrueForAll(matrices, matrix => matrix.Type == matrices[0].Type))
            return matrices;
        GroupedFormat?[] formats = [.. matrices.Select(matrix => WeightFormats.Find(matrix.Type) as GroupedFormat)];
        int other = Array.FindIndex(
            formats, format => format is null || format.Bits != formats[0]?.Bits || format.BlockSize != formats[0]?.BlockSize);
        if (other >= 0)
        {
            (string path, string hubName, TensorInfo tensor) = _experts[other == 0 ? 1 : other];
            throw new NotSupportedException(
                $"{path}: '{hubName}' is stored as {tensor.TypeName}, and '{_experts[0].HubName}' as {matrices[0].TypeName}: Sluice runs experts of one type.");
        }
        GroupedFormat common = GroupedFormat.Find(
            formats[0]!.Bits, formats[0]!.BlockSize, formats[0]!.BlockSize, formats.Any(format => format!.HasZero), formats.Any(format => format!.HasSingles))!;
        return [.. matrices.Select((matrix, i) => formats[i] == common ? matrix : Widened(matrix, formats[i]!, common))];
    }

    private TensorInfo Widened(TensorInfo matrix, GroupedFormat format, GroupedFormat common)
    {
        string path = _experts[0].Path;
        return new TensorInfo(matrix.Name, common.Type, matrix.Shape, common.Bytes(matrix.Count), () =>
        {
            MappedFile copy = MappedFile.InMemory(path, checked((int)common.Bytes(matrix.Count)), out Span<byte> target);
            format.Widen(matrix.Data.Span(), common, target);
            matrix.Release();
            return copy.Bytes;
        });
    }
}
