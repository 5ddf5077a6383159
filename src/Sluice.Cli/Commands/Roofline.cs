using Sluice.Cli.Output;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>What a model's operations achieve of the least time that this machine needs for their bytes and their products.</summary>
internal static class Roofline
{
    /// <summary>The operations of a test, those that take longest first.</summary>
    /// <param name="profile">What they did in all repetitions.</param>
    /// <param name="limits">What the machine can do.</param>
    /// <param name="seconds">The time of all repetitions, with what is between operations.</param>
    /// <param name="repetitions">Repetitions.</param>
    public static RooflineResult Of(ProfilingOps profile, MachineLimits limits, double seconds, int repetitions)
    {
        List<RooflineRow> rows = [];
        double least = 0;
        foreach (OperationProfile operation in profile.Operations.OrderByDescending(operation => operation.Time))
        {
            (double limit, Bound bound) = limits.LeastTime(
                operation.Bytes, operation.IntegerProducts, operation.FloatProducts, operation.BFloat16Products);
            double time = operation.Time.TotalSeconds;
            double products = operation.IntegerProducts + (double)operation.FloatProducts + operation.BFloat16Products;
            least += limit;
            rows.Add(new RooflineRow(
                operation.Name, operation.Calls / repetitions, time / repetitions, time / seconds, (double)operation.Bytes / repetitions,
                products / repetitions, operation.Bytes / time / 1e9, products / time / 1e9, Name(bound), limit / time));
        }
        return new RooflineResult(limits, least / seconds, rows);
    }

    /// <summary>Says what the machine can do.</summary>
    public static void ShowLimits(MachineLimits limits)
    {
        Console.Out.WriteLine($"the machine's limits, by kernels for {limits.InstructionSet}:");
        Table table = Terminal.Table("", "1 thread", $"{limits.Threads} threads");
        Add("memory read, GB/s", limits.ReadBytes);
        Add("int8, GMAC/s", limits.Int8);
        if (limits.BFloat16 is { } bfloat16)
            Add("bf16, GMAC/s", bfloat16);
        Add("fp32, GMAC/s", limits.Float32);
        Terminal.Out.Write(table);

        void Add(string what, Rate rate) =>
            table.AddRow(new Text(what), new Text(Numbers.Figure(rate.OneThread / 1e9)), new Text(Numbers.Figure(rate.AllThreads / 1e9)));
    }

    /// <summary>Shows a test's operations.</summary>
    public static void Show(BenchRow row)
    {
        RooflineResult result = row.Roofline!;
        Console.Out.WriteLine($"{row.Test}: {Percent(result.OfLimit)} of the machine's limit");
        Table table = Terminal.Table("operation", "calls", "ms", "share of time", "GB/s", "GMAC/s", "bound by", "of the limit");
        foreach (RooflineRow operation in result.Operations)
        {
            table.AddRow(
                new Text(operation.Operation), new Text(operation.Calls.ToString(System.Globalization.CultureInfo.InvariantCulture)),
                new Text(Numbers.Figure(operation.Seconds * 1000)), new Text(Percent(operation.Share)),
                new Text(Numbers.Figure(operation.GigabytesPerSecond)),
                new Text(operation.MultiplyAdds == 0 ? "" : Numbers.Figure(operation.GigaMultiplyAddsPerSecond)),
                new Text(operation.Bound), new Text(Percent(operation.OfLimit)));
        }
        table.AddRow(new Text("between operations"), new Text(""), new Text(""), new Text(Percent(1 - result.Operations.Sum(operation => operation.Share))));
        Terminal.Out.Write(table);
    }

    private static string Percent(double share) => (share * 100).ToString("0.0", System.Globalization.CultureInfo.InvariantCulture) + "%";

    private static string Name(Bound bound) => bound switch
    {
        Bound.Memory => "memory",
        Bound.Int8 => "int8",
        Bound.BFloat16 => "bf16",
        _ => "fp32",
    };
}
