namespace Sluice.Files;

/// <summary>A metadata value: a number, a truth value, a string or an array. <see cref="Metadata"/> converts it.</summary>
public sealed class MetadataValue
{
    private readonly MetadataScalar _scalar;

    internal MetadataValue(MetadataScalar scalar) => (Type, _scalar) = (scalar.Type, scalar);

    private MetadataValue(MetadataType type, ulong bits) : this(new MetadataScalar(type, bits)) { }

    private MetadataValue(string text) => (Type, Text) = (MetadataType.String, text);

    private MetadataValue(MetadataArray array) => (Type, Array) = (MetadataType.Array, array);

    /// <summary>What kind it is in the file.</summary>
    public MetadataType Type { get; }

    /// <summary>The array, if it is one.</summary>
    public MetadataArray? Array { get; }

    /// <summary>The string, if it is one.</summary>
    public string? Text { get; }

    /// <summary>The number or truth value, if it is one.</summary>
    internal MetadataScalar? Scalar => Array is null && Text is null ? _scalar : null;

#pragma warning disable CS1591 // conversions from the C# type of each kind
    public static implicit operator MetadataValue(byte value) => new(MetadataType.UInt8, value);
    public static implicit operator MetadataValue(sbyte value) => new(MetadataType.Int8, (ulong)value);
    public static implicit operator MetadataValue(ushort value) => new(MetadataType.UInt16, value);
    public static implicit operator MetadataValue(short value) => new(MetadataType.Int16, (ulong)value);
    public static implicit operator MetadataValue(uint value) => new(MetadataType.UInt32, value);
    public static implicit operator MetadataValue(int value) => new(MetadataType.Int32, (ulong)value);
    public static implicit operator MetadataValue(ulong value) => new(MetadataType.UInt64, value);
    public static implicit operator MetadataValue(long value) => new(MetadataType.Int64, (ulong)value);
    public static implicit operator MetadataValue(float value) => new(MetadataScalar.Of(MetadataType.Float32, value));
    public static implicit operator MetadataValue(double value) => new(MetadataScalar.Of(MetadataType.Float64, value));
    public static implicit operator MetadataValue(bool value) => new(MetadataType.Bool, value ? 1u : 0u);
    public static implicit operator MetadataValue(string value) => new(value);
    public static implicit operator MetadataValue(MetadataArray value) => new(value);
    public static implicit operator MetadataValue(int[] value) => new(MetadataArray.Of(value));
    public static implicit operator MetadataValue(float[] value) => new(MetadataArray.Of(value));
    public static implicit operator MetadataValue(string[] value) => new(MetadataArray.Of(value));
#pragma warning restore CS1591

    /// <summary>A short form to show: strings in quotes, arrays by their kind and length.</summary>
    public override string ToString() => Array?.ToString() ?? (Text is null ? _scalar.ToString() : $"\"{Text}\"");
}
