using System.Buffers.Binary;
using System.Globalization;

namespace Sluice.Files;

/// <summary>One metadata value: a number, a truth value, a string or an array. Conversions are <see cref="Metadata"/>'s.</summary>
public sealed class MetadataValue
{
    // A scalar as its 64 bits: integers sign- or zero-extended, Float32 widened to a double (which is exact).
    private readonly ulong _bits;
    private readonly string? _text;
    private readonly MetadataArray? _array;

    private MetadataValue(MetadataType type, ulong bits) => (Type, _bits) = (type, bits);

    private MetadataValue(string text) => (Type, _text) = (MetadataType.String, text);

    private MetadataValue(MetadataArray array) => (Type, _array) = (MetadataType.Array, array);

    /// <summary>What kind it is in the file.</summary>
    public MetadataType Type { get; }

    /// <summary>The array, if it is one.</summary>
    public MetadataArray? Array => _array;

    /// <summary>The string, if it is one.</summary>
    public string? Text => _text;

#pragma warning disable CS1591 // conversions from the C# type of each kind
    public static implicit operator MetadataValue(byte value) => new(MetadataType.UInt8, value);
    public static implicit operator MetadataValue(sbyte value) => new(MetadataType.Int8, (ulong)value);
    public static implicit operator MetadataValue(ushort value) => new(MetadataType.UInt16, value);
    public static implicit operator MetadataValue(short value) => new(MetadataType.Int16, (ulong)value);
    public static implicit operator MetadataValue(uint value) => new(MetadataType.UInt32, value);
    public static implicit operator MetadataValue(int value) => new(MetadataType.Int32, (ulong)value);
    public static implicit operator MetadataValue(ulong value) => new(MetadataType.UInt64, value);
    public static implicit operator MetadataValue(long value) => new(MetadataType.Int64, (ulong)value);
    public static implicit operator MetadataValue(float value) =>
        new(MetadataType.Float32, BitConverter.DoubleToUInt64Bits(value));
    public static implicit operator MetadataValue(double value) =>
        new(MetadataType.Float64, BitConverter.DoubleToUInt64Bits(value));
    public static implicit operator MetadataValue(bool value) => new(MetadataType.Bool, value ? 1u : 0u);
    public static implicit operator MetadataValue(string value) => new(value);
    public static implicit operator MetadataValue(MetadataArray value) => new(value);
    public static implicit operator MetadataValue(int[] value) => new(MetadataArray.Of(value));
    public static implicit operator MetadataValue(float[] value) => new(MetadataArray.Of(value));
    public static implicit operator MetadataValue(string[] value) => new(MetadataArray.Of(value));
#pragma warning restore CS1591

    /// <summary>The value of a scalar's bytes in a file (little-endian, exactly as many as the type has).</summary>
    internal static MetadataValue Scalar(MetadataType type, ReadOnlySpan<byte> bytes) => type switch
    {
        MetadataType.UInt8 => bytes[0],
        MetadataType.Int8 => (sbyte)bytes[0],
        MetadataType.Bool => bytes[0] != 0,
        MetadataType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        MetadataType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        MetadataType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        MetadataType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        MetadataType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
        MetadataType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        MetadataType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        MetadataType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    /// <summary>The inverse of <see cref="Scalar"/>.</summary>
    internal void WriteScalar(Span<byte> bytes)
    {
        Span<byte> all = stackalloc byte[8];
        if (Type == MetadataType.Float32)
            BinaryPrimitives.WriteSingleLittleEndian(all, (float)BitConverter.UInt64BitsToDouble(_bits));
        else
            BinaryPrimitives.WriteUInt64LittleEndian(all, _bits);
        all[..Type.Size()].CopyTo(bytes);
    }

    /// <summary>The value as an integer of any size, if it is one.</summary>
    internal bool TryInteger(out Int128 value)
    {
        value = Type is MetadataType.UInt64 ? _bits : (Int128)(long)_bits;
        return Type is MetadataType.UInt8 or MetadataType.Int8 or MetadataType.UInt16 or MetadataType.Int16
            or MetadataType.UInt32 or MetadataType.Int32 or MetadataType.UInt64 or MetadataType.Int64;
    }

    /// <summary>The value as a number, if it is one.</summary>
    internal bool TryNumber(out double value)
    {
        if (Type is MetadataType.Float32 or MetadataType.Float64)
        {
            value = BitConverter.UInt64BitsToDouble(_bits);
            return true;
        }
        bool isInteger = TryInteger(out Int128 integer);
        value = (double)integer;
        return isInteger;
    }

    /// <summary>The value as a truth value, if it is one.</summary>
    internal bool TryBool(out bool value)
    {
        value = _bits != 0;
        return Type is MetadataType.Bool;
    }

    /// <summary>A short form to show: strings in quotes, arrays by their kind and length.</summary>
    public override string ToString()
    {
        if (_array is not null)
            return _array.ToString();
        if (_text is not null)
            return $"\"{_text}\"";
        if (Type is MetadataType.Bool)
            return _bits != 0 ? "true" : "false";
        if (Type is MetadataType.Float32)
            return ((float)BitConverter.UInt64BitsToDouble(_bits)).ToString(CultureInfo.InvariantCulture);
        return TryInteger(out Int128 integer)
            ? integer.ToString(CultureInfo.InvariantCulture)
            : BitConverter.UInt64BitsToDouble(_bits).ToString(CultureInfo.InvariantCulture);
    }
}
