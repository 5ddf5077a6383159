using System.Diagnostics;
using System.Globalization;
using Sluice.Tensors;
using Sluice.Tensors.Benchmarks;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

// usage: [--threads N] [--formats Q8_0,Q4_K] [--tokens 1,8,512] [--isa avxvnni] [--columns 2048] [--rows 8192] [--ms 300] [--megabytes 200]
//        --peaks      what one core can do at most
//        --kernels    the kernels alone, from the cache
//    or: attention [--threads N] [--formats f16,f32] [--length 4096] [--ms 300]
//    or: sparsity [--threads N] [--formats Q8_0,F16] [--shares 0,0.4,0.5] [--tokens 1] [--ms 30000]
// For each format and number of tokens: the linear map of enough matrices to not fit in any cache.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string[] formats = Option("formats", "Q8_0,Q4_0,Q4_K,Q5_K,Q6_K,Q2_K,Q3_K,IQ4_XS,MXFP4,IQ2_XXS,F16,BF16,F32").Split(',');
int[] tokens = [.. Option("tokens", "1,2,4,8,16,64,512").Split(',').Select(int.Parse)];
int columns = int.Parse(Option("columns", "2048")), rows = int.Parse(Option("rows", "8192"));
double budget = double.Parse(Option("ms", "300")) / 1000;
double memory = double.Parse(Option("megabytes", "200"));
string isa = Option("isa", Kernels.All().First().Name);
if (args.Contains("--peaks"))
{
    Peaks.Print();
    return;
}
if (args.Contains("--kernels"))
{
    Peaks.PrintKernels(Kernels.All().Single(kernels => kernels.Name == isa));
    return;
}
if (args is ["attention", ..])
{
    using ReadBandwidth read = new();
    string[] shapes = Option("heads", "").Split(',', StringSplitOptions.RemoveEmptyEntries); // as in 8x4x64
    AttentionBench.Run(int.Parse(Option("threads", "0")), shapes, Option("formats", "f16,f32").Split(','), int.Parse(Option("length", "4096")), budget, read);
    return;
}
if (args is ["sparsity", ..])
{
    double[] shares = [.. Option("shares", "0,0.25,0.4,0.5,0.6").Split(',').Select(double.Parse)];
    string[] types = Option("formats", "Q8_0,F16,Q4_K,Q6_K").Split(',');
    SparsityBench.Run(int.Parse(Option("threads", "0")), types, shares, int.Parse(Option("tokens", "1")), budget);
    return;
}
using CpuOps ops = new(int.Parse(Option("threads", "0")), Kernels.All().Single(kernels => kernels.Name == isa));
using ReadBandwidth bandwidth = new();
Console.WriteLine($"{isa}, {ops.Pool.Threads} threads, [{rows}, {columns}]");
Console.WriteLine("format     tokens   GMAC/s     GB/s   of read bandwidth   first call, ms");
foreach (string name in formats)
{
    WeightFormat format = WeightFormats.Get(name);
    int copies = (int)Math.Max(1, (long)(memory * 1e6) / format.Bytes((long)rows * columns));
    using CpuOps own = new(ops.Pool.Threads, Kernels.All().Single(kernels => kernels.Name == isa));
    WeightData data = Data(format);
    TimeSpan busy = Environment.CpuUsage.UserTime;
    Stopwatch loading = Stopwatch.StartNew();
    Weight[] weights = [.. Enumerable.Range(0, copies).Select(_ => own.LoadWeight(data))];
    double gigabytes = (double)data.RowBytes * rows * copies / 1e9;
    Console.WriteLine(
        $"{name,-8} packed {gigabytes:F2} GB in {loading.Elapsed.TotalSeconds:F2} s, "
        + $"{gigabytes / (Environment.CpuUsage.UserTime - busy).TotalSeconds:F2} GB per second of a processor (its user time)");
    foreach (int count in tokens)
    {
        Tensor x = own.Allocate(count, columns);
        Random random = new(1);
        for (int row = 0; row < count; row++)
        {
            foreach (ref float value in x[row])
                value = random.NextSingle() - 0.5f;
        }
        long first = Stopwatch.GetTimestamp();
        using (own.Scratch())
            own.Linear(x, weights[0]);
        double firstCall = Stopwatch.GetElapsedTime(first).TotalMilliseconds;
        double best = double.MaxValue, read = bandwidth.Measure(own.Pool);
        Stopwatch total = Stopwatch.StartNew();
        int next = 0;
        do
        {
            using ScratchScope scope = own.Scratch();
            long start = Stopwatch.GetTimestamp();
            own.Linear(x, weights[next++ % copies]);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        while (total.Elapsed.TotalSeconds < budget);
        double bytes = weights[0].Bytes / best;
        Console.WriteLine(
            $"{name,-8} {count,8} {(double)rows * columns * count / best / 1e9,8:F1} {bytes / 1e9,8:F1} {bytes / read,12:P0} of {read / 1e9,4:F1} {firstCall,12:F1}");
    }
}
return;

WeightData Data(WeightFormat format)
{
    Random random = new(1);
    byte[] bytes = new byte[format.Bytes((long)rows * columns)];
    Span<float> values = new float[format.BlockSize];
    for (int i = 0; i < bytes.Length; i += format.BlockBytes)
    {
        Span<byte> block = bytes.AsSpan(i, format.BlockBytes);
        do
        {
            random.NextBytes(block);
            format.Dequantize(block, values);
        }
        while (values.ContainsAnyExceptInRange(-1e4f, 1e4f));
    }
    return WeightData.FromBytes(format.Name, format, columns, rows, 1, bytes);
}

string Option(string name, string otherwise)
{
    int at = Array.IndexOf(args, "--" + name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : otherwise;
}
