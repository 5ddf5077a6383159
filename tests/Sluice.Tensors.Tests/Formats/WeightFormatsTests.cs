namespace Sluice.Tensors.Formats;

public class WeightFormatsTests
{
    [Fact]
    public void Every_format_class_is_in_the_list_once()
    {
        IEnumerable<Type> classes = typeof(WeightFormat).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(WeightFormat)) && !t.IsAbstract);
        Assert.Equal(
            classes.Select(t => t.Name).Order(StringComparer.Ordinal),
            WeightFormats.All.Concat(WeightFormats.OfCheckpoints.DistinctBy(f => f.GetType())).Select(f => f.GetType().Name)
                .Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Formats_are_found_by_type_and_by_name()
    {
        foreach (WeightFormat format in WeightFormats.All.Concat(WeightFormats.OfCheckpoints))
        {
            Assert.Same(format, WeightFormats.Find(format.Type));
            Assert.Same(format, WeightFormats.Get(format.Name.ToLowerInvariant()));
        }
        Assert.Null(WeightFormats.Find(TensorType.I32));
        Assert.Throws<NotSupportedException>(() => WeightFormats.Get((TensorType)12345));
        Assert.Contains("Q4_K", Assert.Throws<ArgumentException>(() => WeightFormats.Get("q4_z")).Message);
    }

    [Fact]
    public void Every_tensor_type_but_integers_doubles_and_bare_8_bit_floats_is_a_format()
    {
        TensorType[] others = [TensorType.I8, TensorType.I16, TensorType.I32, TensorType.I64, TensorType.F64, TensorType.U8, TensorType.E4M3, TensorType.E5M2];
        Assert.Equal(Enum.GetValues<TensorType>().Except(others).Order(), WeightFormats.All.Select(f => f.Type).Order());
    }

    [Fact]
    public void Size_counts_whole_blocks_without_overflow()
    {
        WeightFormat format = WeightFormats.Get(TensorType.Q4_K);
        Assert.Equal(0, format.Bytes(0));
        Assert.Equal(288, format.Bytes(512));
        Assert.Equal(4.5, format.BitsPerWeight);
        Assert.Throws<ArgumentException>(() => format.Bytes(257));
        Assert.Throws<ArgumentException>(() => format.Bytes(-256));
        Assert.Throws<OverflowException>(() => WeightFormats.Get(TensorType.F32).Bytes(long.MaxValue));
    }
}
