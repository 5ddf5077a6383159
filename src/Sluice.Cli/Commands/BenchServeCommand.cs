using System.CommandLine;
using System.Globalization;
using Sluice.Cli.Arguments;
using Sluice.Cli.Load;
using Sluice.Cli.Output;
using Sluice.Cli.Synthesis;
using Spectre.Console;

namespace Sluice.Cli.Commands;

/// <summary>How a server holds a load: this one's, or any with OpenAI's API.</summary>
internal static class BenchServeCommand
{
    public static Command Create()
    {
        Option<Uri?> url = Parsing.Url("--url", "The server to ask; without it one is started for a --model or --shape.");
        Option<string?> key = new("--api-key") { Description = "The key for it.", HelpName = "KEY" };
        Option<string?> model = new("--model", "-m") { Description = "A GGUF file or a Hugging Face folder to serve.", HelpName = "PATH" };
        Option<string?> shape = Parsing.Choice("--shape", "Serve made-up weights in the shape of a model.", Shape.All.Select(s => s.Name));
        Option<string?> type = Parsing.Choice("--type", "Their type, as Q8_0, or a mix, as Q4_K_M.", SyntheticModel.Mixes.Select(mix => mix.Name), "Q4_K_M");
        Argument<string[]> options = new("SERVE-OPTIONS") { Description = "What 'sluice serve' is started with, after a '--'." };
        Option<int> count = Parsing.Integer("--requests", "How many requests; of a --trace, the most.", 1, 100, "-n");
        Option<double> rate = Parsing.Make("--rate", [], "Requests a second, as a Poisson process; inf: all at once. Of a --trace, its own times if not given.", "X", double.PositiveInfinity, false, text =>
            text == "inf" ? double.PositiveInfinity
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value > 0 && double.IsFinite(value) ? value
            : throw new FormatException("a number above 0, or inf"));
        Option<int> clients = Parsing.Integer("--clients", "In place of a --rate: so many clients, each of which asks again once it is answered.", 1, null, "-c");
        Option<Lengths> input = Parsing.Make("--input", [], "Tokens of a prompt: N, or N-M for any of these.", "N[-M]", new Lengths(512, 512), true, Lengths.Parse);
        Option<Lengths> output = Parsing.Make("--output", [], "Tokens of an answer.", "N[-M]", new Lengths(128, 128), true, Lengths.Parse);
        Option<string?> trace = new("--trace") { Description = "Take arrivals and lengths from a file: CSV or JSON lines with arrival (seconds), input and output, or the Azure LLM trace's columns.", HelpName = "PATH" };
        Option<float> speed = Parsing.Number("--speed", "Play the trace so many times as fast.", 1e-6f, float.MaxValue, 1);
        Option<int> prefix = Parsing.Integer("--shared-prefix", "Tokens that all prompts begin with, besides --input.", 0, 0);
        Option<bool> words = new("--words") { Description = "Ask with texts of random words rather than token ids." };
        Option<int> vocabulary = Parsing.Integer("--vocabulary", "Token ids are below this; as the server says if not given.", 1);
        Option<int> seed = Parsing.Integer("--seed", "Where random numbers start: the same seed, the same requests.", 0, 1);
        Option<Goals?> goodput = Parsing.Make<Goals?>("--goodput", [], "Count requests that keep these times, in milliseconds: ttft, tpot (mean of its tokens), itl (longest between two), e2e.", "ttft:500,itl:100", null, false, Goals.Parse);
        Option<string?> plot = Parsing.Make<string?>("--plot", [], "Draw the distribution of the times.", "F.svg", null, false, Plot.CheckPath);
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "serve", "Measure how a server holds a load: times to the first token, between tokens and to the end, and throughput.",
            "sluice bench serve --url http://127.0.0.1:8080 --rate 2 --requests 200 --input 100-800 --output 128",
            "sluice bench serve --model llama.gguf --clients 16 --goodput ttft:1000,itl:200 --plot times.svg",
            "sluice bench serve --shape llama-3.2-1b --clients 4 -- --threads 2 --itl-target 100",
            "sluice bench serve --url http://127.0.0.1:8080 --trace AzureLLMInferenceTrace_code.csv --speed 4")
        {
            url, key, model, shape, type, count, rate, clients, input, output, trace, speed, prefix, words, vocabulary, seed, goodput, plot, json, options,
        };
        command.Validators.Add(result =>
        {
            if (((ReadOnlySpan<Option>)[url, model, shape]).ToArray().Count(option => result.IsGiven(option)) > 1)
                result.AddError("Give one of --url, --model and --shape.");
            Needs(url, key);
            Needs(shape, type);
            Needs(trace, speed);
            Excludes(trace, input);
            Excludes(trace, output);
            Excludes(clients, rate);
            Excludes(words, vocabulary);
            if (result.IsGiven(url) && result.GetResult(options) is { Tokens.Count: > 0 })
                result.AddError("The server at --url is already started: options after '--' are for one that is not.");

            void Needs(Option other, Option option)
            {
                if (result.IsGiven(option) && !result.IsGiven(other))
                    result.AddError($"{option.Name} goes with {other.Name}.");
            }
            void Excludes(Option one, Option other)
            {
                if (result.IsGiven(one) && result.IsGiven(other))
                    result.AddError($"{one.Name} and {other.Name} exclude each other.");
            }
        });
        command.SetAction(async (parsed, cancellation) =>
        {
            int start = parsed.GetValue(seed);
            PlannedRequest[] requests = parsed.GetValue(trace) is { } path
                ? [.. TraceFile.Read(path, parsed.IsGiven(count) ? parsed.GetValue(count) : int.MaxValue)
                    .Select(request => request with { Arrival = request.Arrival / parsed.GetValue(speed) })]
                : PlannedRequest.Make(parsed.GetValue(count), parsed.GetValue(input), parsed.GetValue(output), start);
            if (parsed.IsGiven(rate))
                requests = PlannedRequest.Poisson(requests, parsed.GetValue(rate), start);

            Shape? chosen = Shape.All.FirstOrDefault(s => s.Name == parsed.GetValue(shape));
            using SyntheticModel? made = chosen is null ? null : SyntheticModel.Create(chosen, parsed.GetValue(type)!, null, cancellation);
            using LocalServer? local = parsed.GetValue(url) is not null ? null
                : await LocalServer.StartAsync(made?.Path ?? parsed.GetValue(model) ?? DefaultModel.Path, parsed.GetValue(options) ?? [], cancellation);
            using LoadClient client = new(parsed.GetValue(url) ?? local!.Address, parsed.GetValue(key));
            (string name, int? told) = await client.FindModelAsync(cancellation);
            int ids = parsed.GetValue(words) ? 0 : parsed.GetValue(vocabulary) is > 0 and int given ? given
                : told ?? throw new UsageException($"{client.Address} does not say how large its vocabulary is: give --vocabulary, or ask with --words.");
            Prompts prompts = new(ids, parsed.GetValue(prefix), start);

            RequestRecord first = await client.SendAsync(name, prompts, -1, new PlannedRequest(0, 1, 2), cancellation); // warms up; not counted
            if (first.Error is not null)
                throw new InvalidDataException($"{client.Address}: {first.Error}");
            RequestRecord[] records = Terminal.Progress($"Asking {name}", progress => LoadRun.RunAsync(
                index => client.SendAsync(name, prompts, index, requests[index], cancellation),
                requests, parsed.GetValue(clients) is > 0 and int loop ? loop : null, progress, cancellation).GetAwaiter().GetResult());
            LoadReport report = LoadReport.Of(client.Address, name, records, parsed.GetValue(goodput));
            if (parsed.GetValue(json))
                Json.Write(report);
            else
                Show(report);
            if (parsed.GetValue(plot) is { } file)
                Draw(file, report, records); // last, so that a full disk takes nothing else away
            return report.Requests > 0 ? CommandLine.Done : CommandLine.Failed;
        });
        return command;
    }

    private static void Show(LoadReport report)
    {
        Console.Out.WriteLine(
            $"{report.Model} at {report.Server}: {report.Requests} requests in {Numbers.Figure(report.Seconds)} s; tokens a second: "
            + $"{Numbers.Figure(report.InputTokensPerSecond)} in, {Numbers.Figure(report.OutputTokensPerSecond)} out, {Numbers.Figure(report.TotalTokensPerSecond)} in all");
        Table table = Terminal.Table("ms", "mean", "p50", "p90", "p99", "max");
        foreach ((string name, Times times) in (ReadOnlySpan<(string, Times)>)
            [("time to first token", report.Ttft), ("time per output token", report.Tpot), ("between tokens", report.Itl), ("end to end", report.E2e)])
        {
            table.AddRow([new Text(name), .. ((double[])[times.Mean, times.P50, times.P90, times.P99, times.Max]).Select(value => new Text(Numbers.Figure(value)))]);
        }
        Terminal.Out.Write(table);
        if (report.Goodput is { } share)
            Console.Out.WriteLine($"goodput: {Numbers.Figure(share * 100)}% of requests, {Numbers.Figure(report.GoodRequestsPerSecond!.Value)} a second");
        if (report.Short > 0)
            Console.Out.WriteLine($"{report.Short} answers were shorter than asked for");
        if (report.Failed > 0)
            Console.Out.WriteLine($"{report.Failed} requests failed, the first with: {report.Error}");
    }

    /// <summary>For each kind of time the share of values that are no greater.</summary>
    private static void Draw(string path, LoadReport report, RequestRecord[] records)
    {
        RequestRecord[] done = [.. records.Where(record => record.Error is null)];
        PlotCurve[] curves =
        [
            Curve("between tokens", done.SelectMany(record => record.InterToken)),
            Curve("time to first token", done.Select(record => record.FirstToken)),
            Curve("end to end", done.Select(record => record.EndToEnd)),
        ];
        string title = $"{report.Model}: {report.Requests} requests, {Numbers.Figure(report.TotalTokensPerSecond)} tokens/s";
        Plot.Write(path, title, new("milliseconds", IsLogarithmic: true), new("% of them are no longer"), curves);

        static PlotCurve Curve(string name, IEnumerable<double> seconds)
        {
            const double Least = 1e-3; // milliseconds: a logarithm is of something above zero
            double[] sorted = [.. seconds.Order()];
            return new PlotCurve(name, sorted.Select((value, i) => (Math.Max(value * 1e3, Least), (i + 1) * 100.0 / sorted.Length)));
        }
    }
}
