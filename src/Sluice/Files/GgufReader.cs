using System.Buffers.Binary;
using System.Numerics;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// Reads GGUF, versions 2 and 3 (github.com/ggml-org/ggml, docs/gguf.md). Everything in the header is checked here, once: after
/// this every tensor lies within the file, on its own bytes.
/// </summary>
internal static class GgufReader
{
    // A part of a split model repeats nothing: the first has the metadata, each has its own tensors.
    private const string SplitNumber = "split.no", SplitCount = "split.count", SplitTensors = "split.tensors.count";

    public static ReadOnlySpan<byte> Magic => "GGUF"u8;

    /// <summary>Opens a file, and the other parts if it is one part of a split model.</summary>
    public static ModelFile Open(string path)
    {
        List<MappedFile> files = [];
        try
        {
            files.Add(MappedFile.Open(path));
            (Metadata metadata, OrderedDictionary<string, TensorInfo> tensors) = Read(files[0]);
            return metadata.GetInt32(SplitCount, 1) <= 1
                ? new ModelFile(path, metadata, tensors, files)
                : OpenSplit(path, metadata.GetInt32(SplitCount), files);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>Reads one file.</summary>
    public static (Metadata Metadata, OrderedDictionary<string, TensorInfo> Tensors) Read(MappedFile file)
    {
        GgufCursor cursor = new(file.Bytes, file.Path);
        CheckVersion(ref cursor, file);
        // At least: a tensor's name's length, dimension count, type and offset; a key's length, type and a byte of value.
        long tensorCount = cursor.Count(sizeof(ulong) + sizeof(uint) + sizeof(uint) + sizeof(ulong));
        long keyCount = cursor.Count(sizeof(ulong) + sizeof(uint) + sizeof(byte));

        Metadata metadata = new(file.Path);
        for (long i = 0; i < keyCount; i++)
        {
            cursor.Describe("metadata key", $"number {i}");
            string key = cursor.Text();
            cursor.Describe("metadata key", key);
            metadata.Add(key, cursor.Value((MetadataType)cursor.UInt32()));
        }
        // What the container says about itself concerns no model.
        foreach (string key in (ReadOnlySpan<string>)[SplitNumber, SplitCount, SplitTensors])
            metadata.Ignore(key);
        return (metadata, ReadTensors(ref cursor, file, tensorCount, Alignment(metadata)));
    }

    private static void CheckVersion(ref GgufCursor cursor, MappedFile file)
    {
        if (file.Length < Magic.Length || !file.Span(0, Magic.Length).SequenceEqual(Magic))
            throw cursor.Error("this is no GGUF file (it does not begin with 'GGUF')");
        cursor.UInt32();
        uint version = cursor.UInt32();
        if (version is 2 or 3)
            return;
        throw new NotSupportedException(BinaryPrimitives.ReverseEndianness(version) is > 0 and < 0x10000 && version >= 0x10000
            ? $"{file.Path}: this is a big-endian GGUF file; Sluice reads little-endian ones."
            : $"{file.Path}: this is version {version} of GGUF; Sluice reads versions 2 and 3.");
    }

    /// <summary>What tensor offsets are multiples of.</summary>
    public static long Alignment(Metadata metadata)
    {
        uint alignment = metadata.GetUInt32("general.alignment", 32);
        return BitOperations.IsPow2(alignment)
            ? alignment
            : throw new InvalidDataException(
                $"{metadata.Source}: metadata key 'general.alignment' is {alignment}, which is not a power of two.");
    }

    private static OrderedDictionary<string, TensorInfo> ReadTensors(
        ref GgufCursor cursor, MappedFile file, long tensorCount, long alignment)
    {
        List<(string Name, TensorType Type, long[] Shape, ulong Offset, long Bytes)> entries = [];
        for (long i = 0; i < tensorCount; i++)
        {
            cursor.Describe("tensor", $"number {i}");
            string name = cursor.Text();
            cursor.Describe("tensor", name);
            uint dimensions = cursor.UInt32();
            if (dimensions > 4)
                throw cursor.Error($"it has {dimensions} dimensions, more than 4");
            long[] shape = new long[dimensions];
            for (int d = 0; d < shape.Length; d++)
                shape[d] = unchecked((long)cursor.UInt64());
            TensorType type = (TensorType)cursor.UInt32();
            ulong offset = cursor.UInt64();
            entries.Add((name, type, shape, offset, TensorSizes.Bytes(file.Path, name, type, shape)));
        }

        // The data begins at the next multiple of the alignment, and offsets count from there.
        long start = (cursor.Position + alignment - 1) & -alignment;
        OrderedDictionary<string, TensorInfo> tensors = new(StringComparer.Ordinal);
        foreach ((string name, TensorType type, long[] shape, ulong offset, long bytes) in entries)
        {
            cursor.Describe("tensor", name);
            if (offset % (ulong)alignment != 0)
                throw cursor.Error($"its offset {offset} is not a multiple of the alignment {alignment}");
            if (bytes > file.Length - start || offset > (ulong)(file.Length - start - bytes))
                throw cursor.Error($"its {bytes} bytes at offset {offset} go past the end of the file ({file.Length} bytes)");
            if (!tensors.TryAdd(name, new TensorInfo(name, type, shape, file.Slice(start + (long)offset, bytes))))
                throw cursor.Error("it occurs twice");
        }
        CheckOverlap(file, tensors.Values);
        return tensors;
    }

    private static void CheckOverlap(MappedFile file, IEnumerable<TensorInfo> tensors)
    {
        TensorInfo[] sorted = [.. tensors];
        Array.Sort(sorted, (a, b) => a.Data.Offset.CompareTo(b.Data.Offset));
        for (int i = 1; i < sorted.Length; i++)
        {
            if (sorted[i].Data.Offset < sorted[i - 1].Data.Offset + sorted[i - 1].Bytes)
                throw new InvalidDataException($"{file.Path}: tensors '{sorted[i - 1].Name}' and '{sorted[i].Name}' overlap.");
        }
    }

    /// <summary>Opens all parts, given one of them, which <paramref name="files"/> holds and all parts will be in.</summary>
    private static ModelFile OpenSplit(string path, int count, List<MappedFile> files)
    {
        string prefix = SplitPrefix(path, count);
        files[0].Dispose();
        files.Clear();
        Metadata? first = null;
        OrderedDictionary<string, TensorInfo> all = new(StringComparer.Ordinal);
        for (int part = 0; part < count; part++)
        {
            string partPath = $"{prefix}-{part + 1:D5}-of-{count:D5}.gguf";
            if (!File.Exists(partPath))
                throw new FileNotFoundException($"{path}: part {part + 1} of {count}, {partPath}, is missing.", partPath);
            files.Add(MappedFile.Open(partPath));
            (Metadata metadata, OrderedDictionary<string, TensorInfo> tensors) = Read(files[^1]);
            CheckSplitKey(metadata, SplitCount, count);
            CheckSplitKey(metadata, SplitNumber, part);
            first ??= metadata;
            CheckPartKeys(first, metadata);
            foreach ((string name, TensorInfo tensor) in tensors)
            {
                tensor.Part = part;
                if (!all.TryAdd(name, tensor))
                    throw new InvalidDataException($"{partPath}: tensor '{name}' is in an earlier part already.");
            }
        }
        CheckSplitKey(first!, SplitTensors, all.Count);
        return new ModelFile(path, first!, all, files);
    }

    private static string SplitPrefix(string path, int count)
    {
        string ending = $"-of-{count:D5}.gguf";
        int digits = path.Length - ending.Length - 5;
        return digits > 0 && path[digits - 1] == '-' && path.EndsWith(ending, StringComparison.Ordinal)
            && !path.AsSpan(digits, 5).ContainsAnyExceptInRange('0', '9')
            ? path[..(digits - 1)]
            : throw new InvalidDataException(
                $"{path}: metadata key '{SplitCount}' is {count}, but the file is not named like a part ('NAME-00001{ending}').");
    }

    private static void CheckSplitKey(Metadata metadata, string key, int expected)
    {
        int value = metadata.GetInt32(key);
        if (value != expected)
            throw new InvalidDataException($"{metadata.Source}: metadata key '{key}' is {value} where {expected} was expected.");
    }

    private static void CheckPartKeys(Metadata first, Metadata part)
    {
        foreach ((string key, _) in part)
        {
            if (!first.Contains(key))
                throw new InvalidDataException($"{part.Source}: metadata key '{key}' is in this part but not in the first.");
        }
    }
}
