using System.Diagnostics;
using Sluice.Compression;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

// GPTQ of one matrix, from its calibration inputs on:
//   dotnet run -c Release --project bench/Sluice.Quantization.Benchmarks -- [ROWS] [COLUMNS] [TOKENS] [TYPE] [THREADS]
// Inputs are normal numbers, of which a few columns are larger, as in language models.
int Argument(int index, int otherwise) => args.Length > index ? int.Parse(args[index]) : otherwise;
int rows = Argument(0, 2048), columns = Argument(1, 8192), tokens = Argument(2, 128 * 512), threads = Argument(4, 2);
BlockGrid grid = new(WeightFormats.Get(args.Length > 3 ? args[3] : "Q4_0"));
const int Sequence = 512;

Random random = new(1);
float[] inputs = new float[Sequence * columns], weights = new float[(long)rows * columns];
Fill(weights, 0.02f);
using WorkerPool pool = new(threads);
InputStatistics statistics = new(columns);
TimeSpan taken = TimeSpan.Zero;
for (int done = 0; done < tokens; done += Sequence)
{
    if (done < 8 * Sequence) // making numbers takes longer than counting them
        Fill(inputs, 1);
    taken += Measure(() => statistics.Add(pool, inputs));
}
Report($"Gram matrix of {statistics.Count} inputs", taken);
GptqFactor factor = null!;
TimeSpan factored = Measure(() => factor = GptqFactor.Create(pool, statistics.Gram, columns, actOrder: true));
Report("factor", factored);
TimeSpan rounded = Measure(() => Gptq.Round(pool, weights, factor, grid));
Report("rounding", rounded);
Report($"GPTQ of {rows} x {columns}, {threads} threads", taken + factored + rounded);

void Fill(float[] values, float deviation)
{
    for (int i = 0; i < values.Length; i++)
    {
        double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        values[i] = (float)normal * deviation * (i % columns % 97 == 0 ? 8 : 1);
    }
}

static TimeSpan Measure(Action action)
{
    long start = Stopwatch.GetTimestamp();
    action();
    return Stopwatch.GetElapsedTime(start);
}

static void Report(string what, TimeSpan time) =>
    Console.WriteLine($"{what}: {time.TotalSeconds:F3} s; {Environment.WorkingSet / (1 << 20)} MiB resident, at most {Process.GetCurrentProcess().PeakWorkingSet64 / (1 << 20)}");
