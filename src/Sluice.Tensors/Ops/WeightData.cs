using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors;

/// <summary>
/// A stored weight tensor as a file has it: <see cref="Experts"/> matrices of <see cref="Rows"/> x <see cref="Columns"/> (output
/// x input features), each row a whole number of the format's blocks.
/// </summary>
public readonly unsafe struct WeightData
{
    private readonly byte* _data;
    private readonly nint[]? _matrices; // where each begins, if they do not follow each other
    private readonly object _owner; // keeps the bytes alive and in place

    /// <summary>Over native bytes that <paramref name="owner"/> keeps alive and in place.</summary>
    /// <exception cref="InvalidDataException">The length is not what the shape needs.</exception>
    internal WeightData(string name, WeightFormat format, int columns, int rows, int experts, byte* data, long length, object owner)
    {
        if (columns <= 0 || rows <= 0 || experts <= 0 || columns % format.BlockSize != 0)
            throw new InvalidDataException($"{name}: [{columns}, {rows}, {experts}] is no shape for {format.Name} (blocks of {format.BlockSize}).");
        long needed = checked(format.Bytes(columns) * rows * experts);
        if (length != needed)
            throw new InvalidDataException($"{name}: [{columns}, {rows}, {experts}] of {format.Name} needs {needed:N0} bytes, not {length:N0}.");
        _data = data;
        (Name, Format, Columns, Rows, Experts, _owner) = (name, format, columns, rows, experts, owner);
    }

    private WeightData(WeightData data, nint[] matrices)
    {
        this = data;
        _matrices = matrices;
    }

    /// <summary>The tensor's name, for messages.</summary>
    public string Name { get; }

    /// <summary>How the weights are stored.</summary>
    public WeightFormat Format { get; }

    /// <summary>Input features.</summary>
    public int Columns { get; }

    /// <summary>Output features.</summary>
    public int Rows { get; }

    /// <summary>Matrices: 1, or the experts of a mixture.</summary>
    public int Experts { get; }

    /// <summary>
    /// The input that each stored column belongs to, where columns do not stand in the order of the inputs (GPTQ's act-order, whose
    /// groups would not be columns side by side): [experts, columns]; null where they do.
    /// </summary>
    public int[]? ColumnOrder { get; private init; }

    /// <summary>
    /// Inputs whose magnitude is below this count as zero (activation sparsity; Liu et al. 2024, TEAL); 0 where all count.
    /// </summary>
    public float Threshold { get; private init; }

    /// <summary>The share of inputs that are expected to be below the threshold: it decides how the weights are kept, not what is computed.</summary>
    public float ZeroShare { get; private init; }

    /// <summary>
    /// The largest magnitude of the inputs that static scales (<see cref="StaticScales"/>) stand for; 0 where none is known.
    /// </summary>
    public float InputRange { get; private init; }

    /// <summary>
    /// Whether inputs are rotated (<see cref="Hadamard.Rotate"/>) before anything else, and columns are those of rotated inputs: an online
    /// rotation (QuaRot, Ashkboos et al. 2024).
    /// </summary>
    public bool RotatesInputs { get; private init; }

    /// <summary>The same, for inputs that are to be rotated first.</summary>
    /// <exception cref="NotSupportedException">Its columns do not stand in the order of the inputs.</exception>
    public WeightData WithRotation() => ColumnOrder is null
        ? this with { RotatesInputs = true }
        : throw new NotSupportedException($"{Name}: its columns have an order, so that its inputs cannot be rotated.");

    /// <summary>The same, with what another of the same inputs does to them: rotation, threshold and range.</summary>
    public WeightData WithInputsOf(WeightData other) => this with
    {
        RotatesInputs = other.RotatesInputs,
        Threshold = other.Threshold,
        ZeroShare = other.ZeroShare,
        InputRange = other.InputRange,
    };

    /// <summary>The same, with a range of the inputs.</summary>
    /// <exception cref="InvalidDataException">The range is negative or not finite.</exception>
    public WeightData WithInputRange(float range) => float.IsFinite(range) && range >= 0
        ? this with { InputRange = range }
        : throw new InvalidDataException($"{Name}: {range} is no range of inputs.");

    /// <summary>The same, for inputs of which small ones count as zero.</summary>
    /// <param name="threshold">Those below it.</param>
    /// <param name="zeroShare">The share of them that is expected.</param>
    /// <exception cref="InvalidDataException">The threshold is negative or not finite.</exception>
    public WeightData WithThreshold(float threshold, float zeroShare = 1) => float.IsFinite(threshold) && threshold >= 0
        ? this with { Threshold = threshold, ZeroShare = zeroShare }
        : throw new InvalidDataException($"{Name}: {threshold} is no threshold of magnitudes.");

    /// <summary>The same, its columns in this order.</summary>
    /// <param name="columnOrder">[experts, columns]: each matrix has an order of its own.</param>
    /// <exception cref="InvalidDataException">An order does not name each input once.</exception>
    /// <exception cref="NotSupportedException">Inputs are rotated.</exception>
    public WeightData InOrder(int[] columnOrder)
    {
        bool[] named = new bool[checked(Experts * Columns)];
        for (int i = 0; i < columnOrder.Length && columnOrder.Length == named.Length; i++)
        {
            if ((uint)columnOrder[i] < (uint)Columns)
                named[i / Columns * Columns + columnOrder[i]] = true;
        }
        if (named.Contains(false))
            throw new InvalidDataException($"{Name}: the order of its columns does not name each of {Columns} inputs once.");
        if (RotatesInputs)
            throw new NotSupportedException($"{Name}: its inputs are rotated, so that its columns cannot have an order.");
        return this with { ColumnOrder = columnOrder };
    }

    /// <summary>Bytes of a row.</summary>
    public long RowBytes => Format.Bytes(Columns);

    /// <summary>The stored bytes of a row.</summary>
    public ReadOnlySpan<byte> Row(int row, int expert = 0)
    {
        if ((uint)row >= (uint)Rows || (uint)expert >= (uint)Experts)
            throw new ArgumentOutOfRangeException(nameof(row), row, $"{Name} has {Rows} rows in each of {Experts} matrices (asked: {expert}).");
        return new ReadOnlySpan<byte>(RowPointer(row, expert), checked((int)RowBytes));
    }

    /// <summary>Where a row begins; those of one matrix follow each other.</summary>
    internal byte* RowPointer(int row, int expert) =>
        (_matrices is null ? _data + (long)expert * Rows * RowBytes : (byte*)_matrices[expert]) + row * RowBytes;

    /// <summary>Over the bytes of a mapped file, or of joined parts that are a matrix each.</summary>
    /// <exception cref="InvalidDataException">The shape does not fit the format or the bytes.</exception>
    public static WeightData FromMap(string name, WeightFormat format, int columns, int rows, int experts, MappedBytes bytes)
    {
        if (!bytes.IsJoined)
            return new(name, format, columns, rows, experts, bytes.Pointer, bytes.Length, bytes);
        WeightData data = new(name, format, columns, rows, experts, null, bytes.Length, bytes);
        nint[] matrices = new nint[experts];
        for (int expert = 0; expert < experts; expert++)
            matrices[expert] = (nint)bytes.Slice(expert * data.RowBytes * rows, data.RowBytes * rows).Pointer;
        return new(data, matrices);
    }

    /// <summary>Over a copy of managed bytes.</summary>
    public static WeightData FromBytes(string name, WeightFormat format, int columns, int rows, int experts, ReadOnlySpan<byte> bytes)
    {
        byte[] pinned = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(pinned);
        fixed (byte* data = pinned)
            return new WeightData(name, format, columns, rows, experts, data, bytes.Length, pinned);
    }
}
