namespace Sluice.Files;

public class MetadataTests
{
    private readonly Metadata _metadata = new("m.gguf")
    {
        { "u8", (byte)200 }, { "i8", (sbyte)-3 }, { "u64", ulong.MaxValue }, { "i64", -5L }, { "f32", 0.1f }, { "f64", 0.1 },
        { "bool", true }, { "text", "héllo" }, { "ints", new[] { 1, -2 } }, { "floats", new[] { 1f, 2.5f } },
        { "strings", new[] { "a", "", "ß" } }, { "bools", MetadataArray.Of<byte>(MetadataType.Bool, [1, 0]) },
        { "bytes", MetadataArray.Of<byte>(MetadataType.UInt8, [7, 255]) },
        { "big", MetadataArray.Of<ulong>(MetadataType.UInt64, [1, ulong.MaxValue]) },
        { "nested", MetadataArray.Of([MetadataArray.Of([1, 2]), MetadataArray.Of(["x"])]) },
    };

    [Fact]
    public void Integers_of_every_kind_convert()
    {
        Assert.Equal(200, _metadata.GetInt32("u8"));
        Assert.Equal(-3, _metadata.GetInt32("i8"));
        Assert.Equal(-5L, _metadata.GetInt64("i64"));
        Assert.Equal(ulong.MaxValue, _metadata.GetUInt64("u64"));
        Assert.Equal(200f, _metadata.GetFloat("u8"));
        Assert.Equal(0.1f, _metadata.GetFloat("f64"));
        Assert.Equal([7, 255], _metadata.GetInt32Array("bytes"));
        Assert.Equal([7f, 255f], _metadata.GetFloatArray("bytes"));
        Assert.Equal([1, -2], _metadata.GetInt32Array("ints"));
        Assert.Equal([1f, 2.5f], _metadata.GetFloatArray("floats"));
        Assert.Equal([true, false], _metadata.GetBoolArray("bools"));
        Assert.Equal(["a", "", "ß"], _metadata.GetStringArray("strings"));
        Assert.Equal("ß"u8, _metadata.GetStringArray("strings").Utf8(2));
        Assert.Equal(["x"], new StringArray(_metadata.GetArray("nested").Arrays()[1]));
        Assert.Equal("array of 2 Array", _metadata["nested"].ToString());
    }

    [Fact]
    public void Fallbacks_are_for_missing_keys_only()
    {
        Assert.Equal(4, _metadata.GetInt32("absent", 4));
        Assert.Equal(4u, _metadata.GetUInt32("absent", 4));
        Assert.Equal(0.5f, _metadata.GetFloat("absent", 0.5f));
        Assert.True(_metadata.GetBool("absent", true));
        Assert.Null(_metadata.GetString("absent", null));
        Assert.False(_metadata.TryGetString("absent", out _));
        Assert.Throws<InvalidDataException>(() => _metadata.GetInt32("text", 4));
        Assert.Throws<InvalidDataException>(() => _metadata.TryGetInt32("u64", out _));
    }

    [Fact]
    public void Errors_name_file_and_key()
    {
        Expect("m.gguf: metadata key 'absent' is missing", () => _metadata.GetInt32("absent"));
        Expect("m.gguf: metadata key 'text' is of type String, not an integer", () => _metadata.GetInt32("text"));
        Expect("m.gguf: metadata key 'i8' has the value -3, not within 0", () => _metadata.GetUInt32("i8"));
        Expect("m.gguf: metadata key 'u64' has the value 18446744073709551615", () => _metadata.GetInt64("u64"));
        Expect("m.gguf: metadata key 'f32' is of type Float32, not an integer", () => _metadata.GetInt32("f32"));
        Expect("m.gguf: metadata key 'u8' is of type UInt8, not true or false", () => _metadata.GetBool("u8"));
        Expect("m.gguf: metadata key 'strings' is an array of 3 String, not a number", () => _metadata.GetFloat("strings"));
        Expect("m.gguf: metadata key 'strings' is an array of 3 String, not an array of int", () => _metadata.GetInt32Array("strings"));
        Expect("m.gguf: metadata key 'floats' is an array of 2 Float32, not an array of str", () => _metadata.GetStringArray("floats"));
        Expect("m.gguf: metadata key 'floats' is an array of 2 Float32, not an array of truth", () => _metadata.GetBoolArray("floats"));
        Expect("m.gguf: metadata key 'big' has the value 18446744073709551615", () => _metadata.GetInt32Array("big"));
        Expect("m.gguf: metadata key 'u8' is of type UInt8, not an array", () => _metadata.GetArray("u8"));
        Expect("m.gguf: metadata key 'u8' occurs twice", () => _metadata.Add("u8", 1));
    }

    [Fact]
    public void Keys_that_nobody_read_are_known()
    {
        Assert.Equal(15, _metadata.UnreadKeys.Count());
        _metadata.GetBool("bool");
        _metadata.TryGetInt32("u8", out _);
        _metadata.Ignore("text");
        _ = _metadata.Contains("i8");
        Assert.Equal(12, _metadata.UnreadKeys.Count());
        Assert.Contains("i8", _metadata.UnreadKeys);
        Assert.DoesNotContain("u8", _metadata.UnreadKeys);
    }

    [Fact]
    public void One_number_serves_every_layer()
    {
        Assert.Equal([200, 200, 200], _metadata.GetInt32PerLayer("u8", 3));
        Assert.Equal([1, -2], _metadata.GetInt32PerLayer("ints", 2));
        Expect("m.gguf: metadata key 'ints' has 2 values for 3 layers", () => _metadata.GetInt32PerLayer("ints", 3));
    }

    private static void Expect(string message, Action action) =>
        Assert.StartsWith(message, Assert.Throws<InvalidDataException>(action).Message);
}
