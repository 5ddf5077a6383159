using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Sluice.Files;

/// <summary>
/// A model's metadata by key, with the keys of GGUF (<c>general.architecture</c>, <c>llama.block_count</c>, ...) whatever file
/// they came from, in the file's order. Integers of every kind convert to the one that is asked for, checked.
/// </summary>
/// <remarks>
/// It remembers which keys were read, so that a loader can refuse a model whose metadata it does not implement
/// (<see cref="UnreadKeys"/>). <see cref="Contains"/> and enumerating do not count as reading. All getters throw
/// <see cref="InvalidDataException"/>, naming file and key, if the key is missing or its value is no such thing; getters with a
/// fallback use it only if the key is missing.
/// </remarks>
/// <param name="source">The file, for messages.</param>
public sealed class Metadata(string source) : IEnumerable<KeyValuePair<string, MetadataValue>>
{
    private readonly OrderedDictionary<string, MetadataValue> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <summary>The file, for messages.</summary>
    public string Source { get; } = source;

    /// <summary>How many keys.</summary>
    public int Count => _values.Count;

    /// <summary>The keys that no getter was called for, in the file's order.</summary>
    public IEnumerable<string> UnreadKeys => _values.Keys.Where(key => !_read.Contains(key));

    /// <summary>A key's value.</summary>
    public MetadataValue this[string key]
    {
        get => TryGet(key, out MetadataValue? value)
            ? value
            : throw new InvalidDataException($"{Source}: metadata key '{key}' is missing.");
        set => _values[key] = value;
    }

    /// <summary>Whether there is such a key.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>A key's value, if there is such a key.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out MetadataValue? value)
    {
        if (!_values.TryGetValue(key, out value))
            return false;
        Ignore(key);
        return true;
    }

    /// <summary>Adds a key.</summary>
    /// <exception cref="InvalidDataException">It is there already.</exception>
    public void Add(string key, MetadataValue value)
    {
        if (!_values.TryAdd(key, value))
            throw new InvalidDataException($"{Source}: metadata key '{key}' occurs twice.");
    }

    /// <summary>Removes a key, if it is there.</summary>
    public bool Remove(string key) => _values.Remove(key);

    /// <summary>An integer of any kind as 32 bits.</summary>
    public int GetInt32(string key) => (int)Integer(key, int.MinValue, int.MaxValue);

    /// <summary>An integer of any kind as 32 bits.</summary>
    public int GetInt32(string key, int fallback) => Contains(key) ? GetInt32(key) : fallback;

    /// <summary>An integer of any kind as unsigned 32 bits.</summary>
    public uint GetUInt32(string key) => (uint)Integer(key, uint.MinValue, uint.MaxValue);

    /// <summary>An integer of any kind as unsigned 32 bits.</summary>
    public uint GetUInt32(string key, uint fallback) => Contains(key) ? GetUInt32(key) : fallback;

    /// <summary>An integer of any kind as 64 bits.</summary>
    public long GetInt64(string key) => (long)Integer(key, long.MinValue, long.MaxValue);

    /// <summary>An integer of any kind as 64 bits.</summary>
    public long GetInt64(string key, long fallback) => Contains(key) ? GetInt64(key) : fallback;

    /// <summary>An integer of any kind as unsigned 64 bits.</summary>
    public ulong GetUInt64(string key) => (ulong)Integer(key, ulong.MinValue, ulong.MaxValue);

    /// <summary>A number of any kind, rounded to float.</summary>
    public float GetFloat(string key) =>
        this[key].Scalar is { } scalar && scalar.TryNumber(out double value) ? (float)value : throw NotA(key, "a number");

    /// <summary>A number of any kind, rounded to float.</summary>
    public float GetFloat(string key, float fallback) => Contains(key) ? GetFloat(key) : fallback;

    /// <summary>A truth value.</summary>
    public bool GetBool(string key) =>
        this[key].Scalar is { Type: MetadataType.Bool } scalar ? scalar.Bits != 0 : throw NotA(key, "true or false");

    /// <summary>A truth value.</summary>
    public bool GetBool(string key, bool fallback) => Contains(key) ? GetBool(key) : fallback;

    /// <summary>A string; bytes that are no UTF-8 became U+FFFD.</summary>
    public string GetString(string key) => this[key].Text ?? throw NotA(key, "a string");

    /// <summary>A string; bytes that are no UTF-8 became U+FFFD.</summary>
    [return: NotNullIfNotNull(nameof(fallback))]
    public string? GetString(string key, string? fallback) => Contains(key) ? GetString(key) : fallback;

    /// <summary>An integer of any kind as 32 bits, if there is such a key.</summary>
    public bool TryGetInt32(string key, out int value)
    {
        bool there = Contains(key);
        value = there ? GetInt32(key) : 0;
        return there;
    }

    /// <summary>A number of any kind, rounded to float, if there is such a key.</summary>
    public bool TryGetFloat(string key, out float value)
    {
        bool there = Contains(key);
        value = there ? GetFloat(key) : 0;
        return there;
    }

    /// <summary>A string, if there is such a key.</summary>
    public bool TryGetString(string key, [NotNullWhen(true)] out string? value)
    {
        value = Contains(key) ? GetString(key) : null;
        return value is not null;
    }

    /// <summary>An array of any kind.</summary>
    public MetadataArray GetArray(string key) => this[key].Array ?? throw NotA(key, "an array");

    /// <summary>An array of integers of any kind as 32 bits.</summary>
    public int[] GetInt32Array(string key)
    {
        MetadataArray array = GetArray(key);
        int[] values = new int[Length(key, array)];
        if (array.ElementType is MetadataType.Int32)
        {
            MemoryMarshal.Cast<byte, int>(array.Bytes.Span()).CopyTo(values);
            return values;
        }
        for (int i = 0; i < values.Length; i++)
        {
            if (array.ElementType.Size() == 0 || !array.Scalar(i).TryInteger(out Int128 value))
                throw NotA(key, "an array of integers");
            values[i] = (int)InRange(key, value, int.MinValue, int.MaxValue);
        }
        return values;
    }

    /// <summary>An array of numbers of any kind, rounded to float.</summary>
    public float[] GetFloatArray(string key)
    {
        MetadataArray array = GetArray(key);
        float[] values = new float[Length(key, array)];
        if (array.ElementType is MetadataType.Float32)
        {
            MemoryMarshal.Cast<byte, float>(array.Bytes.Span()).CopyTo(values);
            return values;
        }
        for (int i = 0; i < values.Length; i++)
        {
            if (array.ElementType.Size() == 0 || !array.Scalar(i).TryNumber(out double value))
                throw NotA(key, "an array of numbers");
            values[i] = (float)value;
        }
        return values;
    }

    /// <summary>An array of truth values.</summary>
    public bool[] GetBoolArray(string key)
    {
        MetadataArray array = GetArray(key);
        if (array.ElementType is not MetadataType.Bool && array.Count != 0)
            throw NotA(key, "an array of truth values");
        bool[] values = new bool[Length(key, array)];
        for (int i = 0; i < values.Length; i++)
            values[i] = array.Bytes.Span(i, 1)[0] != 0;
        return values;
    }

    /// <summary>An array of strings, decoded when they are read.</summary>
    public StringArray GetStringArray(string key)
    {
        MetadataArray array = GetArray(key);
        if (array.ElementType is not MetadataType.String && array.Count != 0)
            throw NotA(key, "an array of strings");
        _ = Length(key, array);
        return new StringArray(array);
    }

    /// <summary>
    /// One integer a layer: where the file has an array, its elements; where it has one number, that for every layer (as with
    /// <c>attention.head_count_kv</c>).
    /// </summary>
    public int[] GetInt32PerLayer(string key, int layers)
    {
        int[] values;
        if (this[key].Array is not null)
        {
            values = GetInt32Array(key);
        }
        else
        {
            values = new int[layers];
            values.AsSpan().Fill(GetInt32(key));
        }
        return values.Length == layers
            ? values
            : throw new InvalidDataException($"{Source}: metadata key '{key}' has {values.Length} values for {layers} layers.");
    }

    /// <summary>Counts a key as read, as one whose value makes no difference.</summary>
    public void Ignore(string key)
    {
        // A tokenizer may be made while the weights load.
        lock (_read)
            _read.Add(key);
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, MetadataValue>> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private Int128 Integer(string key, Int128 min, Int128 max) =>
        this[key].Scalar is { } scalar && scalar.TryInteger(out Int128 value)
            ? InRange(key, value, min, max)
            : throw NotA(key, "an integer");

    private Int128 InRange(string key, Int128 value, Int128 min, Int128 max) => value >= min && value <= max
        ? value
        : throw new InvalidDataException($"{Source}: metadata key '{key}' has the value {value}, not within {min} to {max}.");

    // Arrays become C# arrays: their bytes have to fit in one span.
    private int Length(string key, MetadataArray array) => array.Bytes.Length <= int.MaxValue
        ? (int)array.Count
        : throw new InvalidDataException($"{Source}: metadata key '{key}' has {array.Bytes.Length} bytes, more than 2 GiB.");

    private InvalidDataException NotA(string key, string what) =>
        new($"{Source}: metadata key '{key}' is {Describe(_values[key])}, not {what}.");

    private static string Describe(MetadataValue value) =>
        value.Array is { } array ? $"an {array}" : $"of type {value.Type}";
}
