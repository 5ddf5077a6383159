using System.Buffers.Binary;
using System.Globalization;

namespace Sluice.Files;

/// <summary>A number or truth value of a metadata type.</summary>
/// <param name="Type">A type that has a <see cref="MetadataTypes.Size"/>.</param>
/// <param name="Bits">
/// Its 64 bits: integers sign- or zero-extended, Float32 widened to a double (which is exact), Bool 0 or 1.
/// </param>
internal readonly record struct MetadataScalar(MetadataType Type, ulong Bits)
{
    public static MetadataScalar Of(MetadataType type, double value) => new(type, BitConverter.DoubleToUInt64Bits(value));

    /// <summary>The value of a file's bytes (little-endian, as many as the type has).</summary>
    public static MetadataScalar Read(MetadataType type, ReadOnlySpan<byte> bytes) => type switch
    {
        MetadataType.UInt8 => new(type, bytes[0]),
        MetadataType.Int8 => new(type, (ulong)(sbyte)bytes[0]),
        MetadataType.Bool => new(type, bytes[0] != 0 ? 1u : 0u),
        MetadataType.UInt16 => new(type, BinaryPrimitives.ReadUInt16LittleEndian(bytes)),
        MetadataType.Int16 => new(type, (ulong)BinaryPrimitives.ReadInt16LittleEndian(bytes)),
        MetadataType.UInt32 => new(type, BinaryPrimitives.ReadUInt32LittleEndian(bytes)),
        MetadataType.Int32 => new(type, (ulong)BinaryPrimitives.ReadInt32LittleEndian(bytes)),
        MetadataType.Float32 => Of(type, BinaryPrimitives.ReadSingleLittleEndian(bytes)),
        MetadataType.UInt64 or MetadataType.Int64 or MetadataType.Float64 =>
            new(type, BinaryPrimitives.ReadUInt64LittleEndian(bytes)),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    /// <summary>The inverse of <see cref="Read"/>.</summary>
    public void Write(Span<byte> bytes)
    {
        Span<byte> all = stackalloc byte[8];
        if (Type is MetadataType.Float32)
            BinaryPrimitives.WriteSingleLittleEndian(all, (float)BitConverter.UInt64BitsToDouble(Bits));
        else
            BinaryPrimitives.WriteUInt64LittleEndian(all, Bits);
        all[..Type.Size()].CopyTo(bytes);
    }

    /// <summary>The value as an integer of any size, if it is one.</summary>
    public bool TryInteger(out Int128 value)
    {
        value = Type is MetadataType.UInt64 ? Bits : (Int128)(long)Bits;
        return Type is not (MetadataType.Float32 or MetadataType.Float64 or MetadataType.Bool);
    }

    /// <summary>The value as a number, if it is one.</summary>
    public bool TryNumber(out double value)
    {
        bool isInteger = TryInteger(out Int128 integer);
        value = isInteger ? (double)integer : BitConverter.UInt64BitsToDouble(Bits);
        return Type is not MetadataType.Bool;
    }

    public override string ToString()
    {
        if (Type is MetadataType.Bool)
            return Bits != 0 ? "true" : "false";
        if (TryInteger(out Int128 integer))
            return integer.ToString(CultureInfo.InvariantCulture);
        double number = BitConverter.UInt64BitsToDouble(Bits);
        return Type is MetadataType.Float32
            ? ((float)number).ToString(CultureInfo.InvariantCulture)
            : number.ToString(CultureInfo.InvariantCulture);
    }
}
