using System.Globalization;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Compression;
using Sluice.Evaluation;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>What <c>sluice quantize</c> does when it is to find types itself (<see cref="MixedPrecision"/>).</summary>
internal static class MixedQuantization
{
    private const int PlottedPoints = 128, ShownPoints = 12;

    /// <summary>Finds the types and writes the model.</summary>
    /// <param name="plan">The model.</param>
    /// <param name="input">Its file.</param>
    /// <param name="output">The file to write; null to write nothing.</param>
    /// <param name="method">How weights are rounded.</param>
    /// <param name="target">What is asked for.</param>
    /// <param name="options">How types are found.</param>
    /// <param name="checkRoom">Told the plan before it is written.</param>
    /// <param name="cancellation">Stops it.</param>
    public static (QuantizationPlan Plan, IReadOnlyList<string> Written, MixedResult Result) Run(
        QuantizationPlan plan, string input, string? output, QuantizationMethod method, MixedTarget target, MixedPrecisionOptions options,
        Action<QuantizationPlan> checkRoom, CancellationToken cancellation) => Terminal.Stages("Calibrating", report =>
    {
        using Calibrator calibrator = method.Calibrate(input, plan.Options.Threads, report, cancellation)!;
        MixedPrecision mixed = MixedPrecision.Find(plan, calibrator, method, options, report, cancellation);
        void Writing(TensorPlan tensor, double share) => report("Quantizing", (float)share);
        int point = target switch
        {
            { BitsPerWeight: { } bits } => mixed.WithinBits(bits),
            { FileBytes: { } bytes } => mixed.WithinFile(bytes),
            { Divergence: { } most } when output is null => mixed.Frontier.WithLoss(most),
            { Divergence: { } most } => mixed.WithinDivergence(most, output + ".trial", Writing, cancellation),
            _ => throw new ArgumentException("Nothing is asked for.", nameof(target)),
        };
        QuantizationPlan chosen = mixed.PlanAt(point);
        IReadOnlyList<string> written = [];
        Divergence? measured = null;
        if (output is not null)
        {
            checkRoom(chosen);
            written = mixed.Write(point, output, Writing, cancellation);
            measured = mixed.Measure(written[0], cancellation);
        }
        return (chosen, written, Describe(mixed, point, plan.Tensors.Sum(tensor => tensor.Tensor.Count), measured));
    });

    /// <summary>Shows what each tensor got, and the frontier.</summary>
    public static void Show(MixedResult result, IReadOnlyList<QuantizedRow> tensors)
    {
        Dictionary<string, TensorLoss> losses = result.Tensors.ToDictionary(loss => loss.Name);
        Table table = Terminal.Table("tensor", "shape", "from", "to", "size", "KL alone");
        foreach (QuantizedRow row in tensors.Where(row => losses.ContainsKey(row.Name)))
            table.AddRow(Markup.Escape(row.Name), string.Join(" x ", row.Shape), row.From, row.To, Numbers.Bytes(row.Bytes), Format(losses[row.Name].Divergence));
        Terminal.Out.Write(table);
        Table frontier = Terminal.Table("bits/weight", "size", "predicted KL", "");
        foreach (FrontierPoint point in result.Frontier.Where((point, i) => point.IsChosen || i % (PlottedPoints / ShownPoints) == 0))
            frontier.AddRow(point.BitsPerWeight.ToString("0.000", CultureInfo.InvariantCulture), Numbers.Bytes(point.Bytes), Format(point.Divergence), point.IsChosen ? "chosen" : "");
        Terminal.Out.Write(frontier);
        string measured = result.Measured is { } value
            ? $"measured {Format(value)} +/- {Format(result.Error!.Value)} on {result.Tokens} held-out tokens, {Format(result.Predicted)} predicted"
            : $"{Format(result.Predicted)} predicted, which is an estimate: nothing was measured";
        Console.Out.WriteLine("KL divergence: " + measured);
    }

    /// <summary>Draws the frontier.</summary>
    public static void Draw(string path, MixedResult result)
    {
        FrontierPoint chosen = result.Frontier.Single(point => point.IsChosen);
        Plot.Write(path, "Mixed precision: loss over size", new PlotAxis("bits per weight"), new PlotAxis("KL divergence, nats a token", IsLogarithmic: true),
        [
            new PlotCurve("predicted", result.Frontier.Select(point => At(point, point.Divergence))),
            result.Measured is { } measured ? new PlotCurve("chosen, measured", [At(chosen, measured)]) : new PlotCurve("chosen", [At(chosen, chosen.Divergence)]),
        ]);

        static (double X, double Y) At(FrontierPoint point, double divergence) => (point.BitsPerWeight, Math.Max(divergence, 1e-9));
    }

    private static MixedResult Describe(MixedPrecision mixed, int point, long weights, Divergence? measured)
    {
        int[] choices = mixed.Frontier.Choices(point);
        return new MixedResult(
            mixed.Frontier.Points[point].Loss, measured?.Mean, measured?.StandardError, measured?.Tokens.Count,
            [.. mixed.Frontier.Sample(PlottedPoints, point).Select(i => new FrontierPoint(8.0 * mixed.BytesAt(i) / weights, mixed.BytesAt(i), mixed.Frontier.Points[i].Loss, i == point))],
            [.. mixed.Tensors.Zip(choices, (tensor, choice) => new TensorLoss(tensor.Tensor.Name, tensor.Choices[choice].Loss))]);
    }

    private static string Format(double value) => value.ToString(value < 0.001 ? "0.0000000" : "0.00000", CultureInfo.InvariantCulture);
}
