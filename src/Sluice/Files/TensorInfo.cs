using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>A tensor of a model file.</summary>
public sealed class TensorInfo
{
    private readonly Func<MappedBytes>? _make;
    private readonly Lock _making = new();
    private MappedBytes _data;
    private volatile bool _made; // set after _data

    /// <summary>A tensor.</summary>
    /// <param name="name">Its name, as in GGUF: <c>blk.0.attn_q.weight</c>.</param>
    /// <param name="type">How its elements are stored.</param>
    /// <param name="shape">Its dimensions, the fastest first.</param>
    /// <param name="data">Its bytes.</param>
    public TensorInfo(string name, TensorType type, long[] shape, MappedBytes data)
        : this(name, type, shape, data.Length) => (_data, _made) = (data, true);

    /// <summary>A tensor whose bytes are made when they are asked for, and again after <see cref="Release"/>.</summary>
    internal TensorInfo(string name, TensorType type, long[] shape, long bytes, Func<MappedBytes> make)
        : this(name, type, shape, bytes) => _make = make;

    /// <summary>A tensor of matrices that are stored apart, all of one type and shape: [columns, rows, matrices].</summary>
    internal TensorInfo(string name, string path, TensorInfo[] matrices)
        : this(
            name, matrices[0].Type, [matrices[0].Shape[0], matrices[0].Shape[1], matrices.Length], matrices.Sum(matrix => matrix.Bytes),
            () => MappedFile.Join(path, [.. matrices.Select(matrix => matrix.Data)]).Bytes) => Matrices = matrices;

    private TensorInfo(string name, TensorType type, long[] shape, long bytes)
    {
        Name = name;
        Type = type;
        Shape = shape;
        Count = TensorSizes.Count(shape);
        Bytes = bytes;
    }

    /// <summary>Its name, as in GGUF: <c>blk.0.attn_q.weight</c>.</summary>
    public string Name { get; }

    /// <summary>How its elements are stored.</summary>
    public TensorType Type { get; }

    /// <summary>
    /// Its dimensions, the fastest first, as GGUF has them: a matrix that maps n inputs to m outputs is [n, m], each output's n
    /// weights side by side.
    /// </summary>
    public long[] Shape { get; }

    /// <summary>The name of its type, as in <c>Q4_K</c>.</summary>
    public string TypeName => WeightFormats.NameOf(Type);

    /// <summary>
    /// The input that each stored column belongs to, where columns do not stand in the order of the inputs (GPTQ's act-order): [matrices,
    /// columns]; null where they do. <see cref="Dequantize"/> minds it, <see cref="Data"/> does not.
    /// </summary>
    public int[]? ColumnOrder { get; init; }

    /// <summary>
    /// The largest magnitude of the inputs that the file's static scale of a linear map's activations stands for; 0 where it has none.
    /// </summary>
    internal float InputRange { get; set; }

    /// <summary>How many elements.</summary>
    public long Count { get; }

    /// <summary>The length of <see cref="Data"/>.</summary>
    public long Bytes { get; }

    /// <summary>The matrices that it is made of, if they are stored apart.</summary>
    private TensorInfo[] Matrices { get; init; } = [];

    /// <summary>The same tensor by another name.</summary>
    internal TensorInfo As(string name) => _make is null
        ? new TensorInfo(name, Type, Shape, Data) { InputRange = InputRange, Part = Part }
        : new TensorInfo(name, Type, Shape, Bytes, _make) { ColumnOrder = ColumnOrder, InputRange = InputRange, Part = Part, Matrices = Matrices };

    /// <summary>The file of a split model that it is in, from 0.</summary>
    public int Part { get; internal set; }

    /// <summary>
    /// Its bytes: usually where they lie in the mapped file, also where that is in several places (the experts of a Hugging Face
    /// folder); otherwise (rows that a Hugging Face file has in another order) a copy that is made now, once however many threads ask.
    /// </summary>
    public MappedBytes Data
    {
        get
        {
            if (!_made)
            {
                lock (_making)
                {
                    if (!_made)
                        (_data, _made) = (_make!(), true);
                }
            }
            return _data;
        }
    }

    /// <summary>Decodes neighbouring rows, their columns in the order of the inputs.</summary>
    /// <param name="row">The first row, counted over all but the first dimension.</param>
    /// <param name="values">As many as so many rows have, written.</param>
    /// <exception cref="NotSupportedException">The type is none of weights.</exception>
    public void Dequantize(long row, Span<float> values)
    {
        WeightFormat format = WeightFormats.Get(Type);
        long rowBytes = format.Bytes(Shape.Length == 0 ? 1 : Shape[0]);
        format.Dequantize(Data.Span(row * rowBytes, checked((int)format.Bytes(values.Length))), values);
        if (ColumnOrder is null)
            return;
        int columns = (int)Shape[0];
        float[] stored = new float[columns];
        for (int start = 0; start < values.Length; start += columns, row++)
        {
            ReadOnlySpan<int> order = ColumnOrder.AsSpan((int)(row / Shape[1]) * columns, columns);
            Span<float> own = values.Slice(start, columns);
            own.CopyTo(stored);
            for (int i = 0; i < columns; i++)
                own[order[i]] = stored[i];
        }
    }

    /// <summary>
    /// Says that its bytes will not be read again soon, as after repacking them: mapped pages stop counting as resident memory,
    /// a copy is given up. <see cref="Data"/> still works, but no other thread may read it meanwhile.
    /// </summary>
    public void Release()
    {
        foreach (TensorInfo matrix in Matrices)
            matrix.Release();
        if (_make is null)
            _data.Release();
        else
            (_data, _made) = (default, false);
    }

    /// <summary>Its name, type and shape.</summary>
    public override string ToString() => $"{Name} {TypeName} [{string.Join(", ", Shape)}]";
}
