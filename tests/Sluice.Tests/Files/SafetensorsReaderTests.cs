using Sluice.Tensors.Formats;

namespace Sluice.Files;

public class SafetensorsReaderTests
{
    [Fact]
    public void Reads_every_type_that_it_has()
    {
        byte[] bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        RawSafetensors file = new();
        foreach ((string dtype, long count) in ((string, long)[])[("F64", 1), ("F32", 2), ("F16", 4), ("BF16", 4), ("I8", 8), ("I16", 4), ("I32", 2), ("I64", 1)])
            file.Add($"t{dtype}", dtype, [1, count], bytes);
        OrderedDictionary<string, TensorInfo> tensors = Read(file.Add("scalar", "F32", [], bytes.AsSpan(0, 4)).ToArray());
        Assert.Equal(9, tensors.Count);
        Assert.Equal(TensorType.BF16, tensors["tBF16"].Type);
        Assert.Equal([4, 1], tensors["tBF16"].Shape);
        Assert.All(tensors.Values.SkipLast(1), tensor => Assert.Equal(bytes, tensor.Data.Span().ToArray()));
        Assert.Empty(tensors["scalar"].Shape);
    }

    [Fact]
    public void Tensors_may_be_listed_in_any_order()
    {
        OrderedDictionary<string, TensorInfo> tensors = Read(
            """{"b":{"data_offsets":[4,8],"shape":[1],"dtype":"F32"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   """, 8);
        Assert.Equal(["b", "a"], tensors.Keys);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""", 4, "is not the JSON")]
    [InlineData("""[]""", 0, "is not the JSON")]
    [InlineData("""{"a":7}""", 0, "is not the JSON")]
    [InlineData("""{} x""", 0, "is not the JSON")]
    [InlineData("""{"a\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "is not the JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "'a' needs a dtype")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "'a' needs a dtype")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "'a' has the unknown or repeated property 'dtype'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}""", 4, "'a' has the unknown or repeated property 'more'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "'a' has a number")]
    [InlineData("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}""", 4, "'a' has a number")]
    [InlineData("""{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}""", 4, "'a' has something else")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0, "'a' has the impossible dimension 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}""", 4, "'a' is impossibly large")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "'a' has 4 bytes where its type and shape need 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 4, "'a' at bytes 4 to 8 is not within")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}""", 8, "'a' at bytes 8 to 4 is not within")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 8, "'a' at bytes -4 to 0 is not within")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' begins at byte 4, but the one before it ends at 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' occurs twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "overlap or leave a gap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "the tensors end at byte")]
    public void Damaged_headers_are_refused(string header, int data, string message)
    {
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Read(header, data));
        Assert.StartsWith("raw.safetensors: ", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("F8_E8M0", "which Sluice cannot use")]
    [InlineData("U16", "which Sluice cannot use")]
    [InlineData("F7", "which Sluice does not know")]
    public void Other_types_are_named(string dtype, string message)
    {
        NotSupportedException error = Assert.Throws<NotSupportedException>(() =>
            Read("""{"a":{"dtype":"DTYPE","shape":[4],"data_offsets":[0,4]}}""".Replace("DTYPE", dtype), 4));
        Assert.Contains($"raw.safetensors: tensor 'a' has dtype", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Header_lengths_are_bounded()
    {
        Assert.Contains("ends within", Assert.Throws<InvalidDataException>(() => Read([1, 0, 0])).Message);
        Assert.Contains("more than the file", Assert.Throws<InvalidDataException>(() => Read([9, 0, 0, 0, 0, 0, 0, 0, 1])).Message);
        Assert.Contains("not allowed", Assert.Throws<InvalidDataException>(() => Read([0, 0, 0, 0, 0, 0, 0, 16])).Message);
    }

    private static OrderedDictionary<string, TensorInfo> Read(string header, int data) =>
        Read(RawSafetensors.ToArray(header, new byte[data]));

    private static OrderedDictionary<string, TensorInfo> Read(byte[] file) =>
        SafetensorsReader.Read(RawGguf.InMemory("raw.safetensors", file));
}
