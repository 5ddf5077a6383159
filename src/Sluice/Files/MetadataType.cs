namespace Sluice.Files;

/// <summary>The kinds of metadata values, with GGUF's numbers (GGUF specification, gguf_metadata_value_type).</summary>
public enum MetadataType : uint
{
#pragma warning disable CS1591 // the names say it
    UInt8 = 0, Int8 = 1, UInt16 = 2, Int16 = 3, UInt32 = 4, Int32 = 5, Float32 = 6, Bool = 7, String = 8, Array = 9,
    UInt64 = 10, Int64 = 11, Float64 = 12,
#pragma warning restore CS1591
}

internal static class MetadataTypes
{
    /// <summary>The bytes of a scalar in a file, or 0 for strings, arrays and unknown types.</summary>
    public static int Size(this MetadataType type) => type switch
    {
        MetadataType.UInt8 or MetadataType.Int8 or MetadataType.Bool => 1,
        MetadataType.UInt16 or MetadataType.Int16 => 2,
        MetadataType.UInt32 or MetadataType.Int32 or MetadataType.Float32 => 4,
        MetadataType.UInt64 or MetadataType.Int64 or MetadataType.Float64 => 8,
        _ => 0,
    };
}
