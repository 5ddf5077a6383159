using System.Runtime.InteropServices;
using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// A checkpoint's contents as a method rounds them: integers of the layout's bits and groups, and the plain tensors that it folds factors into.
/// Nothing is calibrated before it is needed, when the shapes of all maps are known to fit.
/// </summary>
internal sealed class RoundedContents : ICheckpointContents, IDisposable
{
    private static readonly WeightFormat Single = WeightFormats.Get(TensorType.F32);

    private readonly ModelFile _model;
    private readonly CheckpointLayout _layout;
    private readonly ExportOptions _options;
    private readonly ParallelOptions _parallel;
    private readonly Lazy<Calibrator?> _calibrator;
    private readonly Lazy<ITensorQuantizer> _method;

    public RoundedContents(
        ModelFile model, CheckpointLayout layout, ExportOptions options, Action<string, float> progress, CancellationToken cancellation)
    {
        (_model, _layout, _options) = (model, layout, options);
        _parallel = MatrixRows.Threads(options.Threads, cancellation);
        QuantizationMethod method = options.Method with { Grid = Grid };
        _calibrator = new Lazy<Calibrator?>(() => method.Calibrate(model.Path, options.Threads, progress, cancellation));
        _method = new Lazy<ITensorQuantizer>(() => method.Create(model, _ => Single, _calibrator.Value));
    }

    /// <summary>What was written so far.</summary>
    public ExportResult Result { get; private set; } = new(0, 0, 0);

    /// <summary>As a token comes to them, so that what is gathered of inputs serves all that have them in common.</summary>
    public long Place(TensorInfo map, int expert) =>
        _calibrator.Value is { } calibrator ? ((long)calibrator.PlaceOf(map.Name) << 32) + expert : 0;

    public GroupedIntegers Integers(TensorInfo map, int expert)
    {
        if (_options.Method.Name == "rtn")
        {
            if (GroupedTensors.Stored(map, _options.Bits, _options.GroupSize) is { } stored && (stored.IsSymmetric || !_options.IsSymmetric))
            {
                Result = Result with { Kept = Result.Kept + 1 };
                return stored;
            }
            CheckpointExporter.CheckMayRound(_model.Path, map, _options);
        }
        bool isUnseen = _calibrator.Value is { } calibrator && calibrator.Find(map.Name, expert) is not { Count: > 0 };
        Result = Result with { Rounded = Result.Rounded + 1, Unseen = Result.Unseen + (isUnseen ? 1 : 0) };
        return Round(map, expert);
    }

    public float[]? Changed(TensorInfo tensor)
    {
        if (!_method.Value.Changes(tensor))
            return null;
        int columns = checked((int)tensor.Shape[0]);
        float[] values = new float[tensor.Count];
        MatrixToQuantize matrix = new(tensor, 0, values.Length / columns, columns, Single, default);
        using IMatrixQuantizer rows = _method.Value.Begin(matrix);
        MatrixRows.ForEach(matrix, 0, matrix.Rows, rows.WantsManyRows, _parallel, (row, some, _) =>
            rows.Quantize(row, some, MemoryMarshal.AsBytes(values.AsSpan(row * columns, some.Length))));
        return values;
    }

    public void Dispose()
    {
        if (_calibrator.IsValueCreated)
            _calibrator.Value?.Dispose();
    }

    /// <summary>Just what the layout can store.</summary>
    private IntegerGrid Grid(int columns)
    {
        int size = _options.GroupSize == -1 ? columns : Math.Min(_options.GroupSize, columns);
        return new IntegerGrid(_options.Bits, size, _options.IsSymmetric) { HasHalfScales = true, LeastZeroPoint = _layout.LeastZeroPoint };
    }

    private GroupedIntegers Round(TensorInfo map, int expert)
    {
        // Of experts, the whole of them, as the method knows them.
        TensorInfo tensor = _model.Tensor(map.Name);
        (int rows, int columns) = (checked((int)map.Shape[1]), checked((int)map.Shape[0]));
        MatrixToQuantize matrix = new(tensor, expert, rows, columns, Single, default);
        using IMatrixQuantizer quantizer = _method.Value.Begin(matrix);
        IntegerGrid grid = Grid(columns);
        int groups = columns / grid.FitSize;
        int[]? columnGroups = null;
        byte[] codes = new byte[checked(rows * columns)], zeros = new byte[rows * groups];
        float[] scales = new float[rows * groups];
        MatrixRows.ForEach(matrix, 0, rows, quantizer.WantsManyRows, _parallel, (row, values, _) =>
        {
            RoundedMatrix rounded = quantizer.Round(row, values) ?? throw new InvalidOperationException($"{_options.Method.Name} has no grid for '{map.Name}'.");
            if (row == 0)
                columnGroups = rounded.ColumnGroups; // those of all rows
            rounded.CopyIntegers(
                codes.AsSpan(row * columns, values.Length), scales.AsSpan(row * groups, rounded.Steps.Length), zeros.AsSpan(row * groups, rounded.Steps.Length));
        });
        if (expert == MatrixToQuantize.CountOf(tensor) - 1)
            tensor.Release();
        return new GroupedIntegers(rows, columns, grid.Bits, grid.FitSize, codes, scales, zeros, columnGroups);
    }
}
