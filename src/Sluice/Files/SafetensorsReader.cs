using System.Buffers.Binary;
using System.Text.Json;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// Reads safetensors (github.com/huggingface/safetensors): the header's length as 64 bits, a JSON header of at most 100 MB, and
/// the tensors, which follow each other without a gap or an overlap to the end of the file.
/// </summary>
internal static class SafetensorsReader
{
    private const long MaxHeader = 100_000_000;

    /// <summary>The file's tensors, by its own names; shapes in GGUF's order, the fastest dimension first.</summary>
    public static OrderedDictionary<string, TensorInfo> Read(MappedFile file)
    {
        if (file.Length < sizeof(ulong))
            throw Error(file, "the file ends within the header's length");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file.Span(0, sizeof(ulong)));
        if (length > MaxHeader)
            throw Error(file, $"the header claims {length} bytes; more than {MaxHeader} are not allowed");
        if ((long)length > file.Length - sizeof(ulong))
            throw Error(file, $"the header claims {length} bytes, more than the file has");
        try
        {
            return ReadHeader(file, sizeof(ulong) + (long)length, file.Span(sizeof(ulong), (int)length));
        }
        // Names that are not Unicode make the JSON reader throw InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{file.Path}: the header is not the JSON that it should be: {e.Message}", e);
        }
    }

    private static OrderedDictionary<string, TensorInfo> ReadHeader(MappedFile file, long dataStart, ReadOnlySpan<byte> header)
    {
        OrderedDictionary<string, TensorInfo> tensors = new(StringComparer.Ordinal);
        Utf8JsonReader json = new(header);
        Expect(ref json, JsonTokenType.StartObject);
        while (Next(ref json) is JsonTokenType.PropertyName)
        {
            string name = json.GetString()!;
            if (name == "__metadata__")
            {
                json.Skip();
                continue;
            }
            if (!tensors.TryAdd(name, ReadTensor(file, name, dataStart, ref json)))
                throw Error(file, $"tensor '{name}' occurs twice");
        }
        json.Read(); // throws at anything but white space after the header
        CheckLayout(file, dataStart, tensors.Values);
        return tensors;
    }

    private static TensorInfo ReadTensor(MappedFile file, string name, long dataStart, ref Utf8JsonReader json)
    {
        string? dtype = null;
        List<long>? shape = null, offsets = null;
        Expect(ref json, JsonTokenType.StartObject);
        while (Next(ref json) is JsonTokenType.PropertyName)
        {
            if (dtype is null && json.ValueTextEquals("dtype"u8))
            {
                Expect(ref json, JsonTokenType.String);
                dtype = json.GetString()!;
            }
            else if (shape is null && json.ValueTextEquals("shape"u8))
            {
                shape = ReadNumbers(file, name, ref json);
            }
            else if (offsets is null && json.ValueTextEquals("data_offsets"u8))
            {
                offsets = ReadNumbers(file, name, ref json);
            }
            else
            {
                throw Error(file, $"tensor '{name}' has the unknown or repeated property '{json.GetString()}'");
            }
        }
        if (dtype is null || shape is null || offsets is not [long begin, long end])
            throw Error(file, $"tensor '{name}' needs a dtype, a shape and two data_offsets");

        TensorType type = Type(file, name, dtype);
        shape.Reverse();
        long bytes = TensorSizes.Bytes(file.Path, name, type, [.. shape]);
        if (begin < 0 || end < begin || end > file.Length - dataStart)
        {
            throw Error(file,
                $"tensor '{name}' at bytes {begin} to {end} is not within the file's {file.Length - dataStart} bytes of data");
        }
        if (end - begin != bytes)
            throw Error(file, $"tensor '{name}' has {end - begin} bytes where its type and shape need {bytes}");
        return new TensorInfo(name, type, [.. shape], file.Slice(dataStart + begin, bytes));
    }

    private static List<long> ReadNumbers(MappedFile file, string name, ref Utf8JsonReader json)
    {
        List<long> numbers = [];
        Expect(ref json, JsonTokenType.StartArray);
        while (Next(ref json) is JsonTokenType.Number)
        {
            if (!json.TryGetInt64(out long number))
                throw Error(file, $"tensor '{name}' has a number that is no 64-bit integer");
            numbers.Add(number);
        }
        return json.TokenType is JsonTokenType.EndArray
            ? numbers
            : throw Error(file, $"tensor '{name}' has something else among its numbers");
    }

    private static void CheckLayout(MappedFile file, long dataStart, IEnumerable<TensorInfo> tensors)
    {
        long end = dataStart;
        foreach (TensorInfo tensor in tensors.OrderBy(tensor => tensor.Data.Offset))
        {
            if (tensor.Data.Offset != end)
            {
                throw Error(file,
                    $"tensor '{tensor.Name}' begins at byte {tensor.Data.Offset - dataStart}, but the one before it "
                    + $"ends at {end - dataStart}: tensors overlap or leave a gap");
            }
            end += tensor.Bytes;
        }
        if (end != file.Length)
            throw Error(file, $"the tensors end at byte {end}, but the file has {file.Length}");
    }

    private static TensorType Type(MappedFile file, string name, string dtype) => dtype switch
    {
        "F32" => TensorType.F32,
        "F16" => TensorType.F16,
        "BF16" => TensorType.BF16,
        "F64" => TensorType.F64,
        "I8" => TensorType.I8,
        "I16" => TensorType.I16,
        "I32" => TensorType.I32,
        "I64" => TensorType.I64,
        "U8" => TensorType.U8,
        "F8_E4M3" => TensorType.E4M3,
        "F8_E5M2" => TensorType.E5M2,
        "BOOL" or "U16" or "U32" or "U64" or "C64" or "F4" or "F6_E2M3" or "F6_E3M2" or "F8_E8M0" => throw new NotSupportedException(
                $"{file.Path}: tensor '{name}' has dtype {dtype}, which Sluice cannot use; it reads F32, F16, BF16, FP8 and integers."),
        _ => throw new NotSupportedException($"{file.Path}: tensor '{name}' has dtype '{dtype}', which Sluice does not know."),
    };

    private static JsonTokenType Next(ref Utf8JsonReader json) =>
        json.Read() ? json.TokenType : throw new JsonException("it ends early");

    private static void Expect(ref Utf8JsonReader json, JsonTokenType type)
    {
        if (Next(ref json) != type)
            throw new JsonException($"a {json.TokenType} stands where a {type} should, at byte {json.TokenStartIndex}");
    }

    private static InvalidDataException Error(MappedFile file, string problem) => new($"{file.Path}: {problem}.");
}
