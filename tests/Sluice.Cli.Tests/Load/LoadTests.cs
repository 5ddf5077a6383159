using Sluice.Cli.Load;

namespace Sluice.Cli.Tests.Load;

/// <summary>What loads are made of, and how they are summed up.</summary>
public class LoadTests
{
    [Theory]
    [InlineData("512", 512, 512)]
    [InlineData("1-3", 1, 3)]
    public void Lengths_are_drawn_from_all_of_their_range(string text, int least, int most)
    {
        Lengths lengths = Lengths.Parse(text);
        Random random = new(1);
        HashSet<int> drawn = [.. Enumerable.Range(0, 200).Select(_ => lengths.Next(random))];
        Assert.Equal(Enumerable.Range(least, most - least + 1), drawn.Order());
        Assert.Equal(text, lengths.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("3-2")]
    [InlineData("-3")]
    [InlineData("1-2-3")]
    public void Other_lengths_are_refused(string text) => Assert.Throws<FormatException>(() => Lengths.Parse(text));

    [Fact]
    public void Poisson_arrivals_have_exponential_gaps_of_the_asked_rate()
    {
        PlannedRequest[] requests = PlannedRequest.Poisson(PlannedRequest.Make(20_000, new(1, 1), new(1, 1), 1), rate: 50, seed: 2);
        double[] gaps = [.. requests.Zip(requests.Skip(1), (before, after) => after.Arrival - before.Arrival)];
        double mean = gaps.Average(), deviation = Math.Sqrt(gaps.Average(gap => (gap - mean) * (gap - mean)));
        Assert.Equal(1 / 50.0, mean, 0.001);
        Assert.Equal(mean, deviation, 0.001); // as the exponential distribution has it
        Assert.All(PlannedRequest.Poisson(requests, double.PositiveInfinity, 2), request => Assert.Equal(0, request.Arrival));
    }

    [Fact]
    public void Prompts_are_the_same_for_a_seed_and_share_their_prefix_alone()
    {
        Prompts prompts = new(1000, sharedPrefix: 5, seed: 3), again = new(1000, sharedPrefix: 5, seed: 3);
        Assert.Equal(prompts.Tokens(7, 20), again.Tokens(7, 20));
        Assert.Equal(25, prompts.Tokens(0, 20).Length);
        Assert.Equal(prompts.Tokens(0, 20)[..5], prompts.Tokens(1, 20)[..5]);
        Assert.NotEqual(prompts.Tokens(0, 20)[5..], prompts.Tokens(1, 20)[5..]);
        Assert.NotEqual(prompts.Tokens(0, 20), new Prompts(1000, 5, seed: 4).Tokens(0, 20));
        Assert.Equal(20, new Prompts(0, 0, 3).Text(0, 20).Split(' ').Length);
    }

    [Theory]
    [InlineData("output,arrival,input\n7,10.5,3\n8,10,4\n")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.5000000,3,7\n2023-11-16 18:17:03.0000000,4,8\n")]
    [InlineData("{\"arrival\":2.5,\"input\":3,\"output\":7,\"user\":\"x\"}\n\n{\"output\":8,\"input\":4,\"arrival\":2}\n")]
    public void Traces_are_read_in_the_order_of_arrival(string text)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("trace"), text);
        PlannedRequest[] requests = TraceFile.Read(folder.File("trace"), int.MaxValue);
        Assert.Equal([(4, 8), (3, 7)], requests.Select(request => (request.Input, request.Output)));
        Assert.Equal(0, requests[0].Arrival);
        Assert.Equal(0.5, requests[1].Arrival, 6);
        Assert.Single(TraceFile.Read(folder.File("trace"), 1));
    }

    [Theory]
    [InlineData("", "has no requests")]
    [InlineData("arrival,input\n1,2\n", "no column output")]
    [InlineData("arrival,input,output\n1,2\n", "line 2")]
    [InlineData("arrival,input,output\n1,2,0\n", "'0'")]
    [InlineData("arrival,input,output\nsoon,2,1\n", "'soon'")]
    [InlineData("{\"arrival\":1,\"input\":2}\n", "no output")]
    [InlineData("{\"arrival\"\n", "line 1")]
    public void Other_traces_are_refused(string text, string said)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("trace"), text);
        Assert.Contains(said, Assert.Throws<InvalidDataException>(() => TraceFile.Read(folder.File("trace"), int.MaxValue)).Message);
    }

    [Fact]
    public void A_report_sums_up()
    {
        PlannedRequest asked = new(0, 10, 3);
        RequestRecord[] records =
        [
            new(asked, 0, [0.1, 0.2, 0.3], 10, 3, null),
            new(asked, 1, [1.3, 1.4, 1.8], 10, 3, null),
            new(asked, 1, [1.5], 10, 1, null),
            new(asked, 1, [], 0, 0, "refused"),
        ];
        LoadReport report = LoadReport.Of("here", "it", records, Goals.Parse("ttft:350,itl:150"));
        Assert.Equal((3, 1, 1, "refused"), (report.Requests, report.Failed, report.Short, report.Error));
        Assert.Equal(1.8, report.Seconds, 6);
        Assert.Equal(30 / 1.8, report.InputTokensPerSecond, 6);
        Assert.Equal(7 / 1.8, report.OutputTokensPerSecond, 6);
        Assert.Equal(37 / 1.8, report.TotalTokensPerSecond, 6);
        Assert.Equal(300, report.Ttft.P50, 6);
        Assert.Equal(500, report.Ttft.Max, 6);
        Assert.Equal(496, report.Ttft.P99, 6); // 98% of the way from the second to the third
        Assert.Equal((100 + 250) / 2.0, report.Tpot.Mean, 6);
        Assert.Equal((100 + 100 + 100 + 400) / 4.0, report.Itl.Mean, 6);
        Assert.Equal(800, report.E2e.Max, 6);
        Assert.Equal(0.25, report.Goodput); // the second paused too long, the third began too late, the fourth failed
    }

    [Theory]
    [InlineData("ttft")]
    [InlineData("speed:5")]
    [InlineData("ttft:-5")]
    public void Other_goals_are_refused(string text) => Assert.Throws<FormatException>(() => Goals.Parse(text));

    [Fact]
    public async Task A_closed_loop_keeps_its_number_of_clients()
    {
        int open = 0, most = 0;
        TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously); // no request ends before all clients are there
        RequestRecord[] records = await LoadRun.RunAsync(
            async index =>
            {
                int now = Interlocked.Increment(ref open);
                InterlockedMax(ref most, now);
                if (now == 4)
                    all.TrySetResult();
                await all.Task.WaitAsync(TimeSpan.FromMinutes(1));
                await Task.Yield();
                Interlocked.Decrement(ref open);
                return new RequestRecord(new(0, index, 1), 0, [], 0, 0, null);
            },
            new PlannedRequest[40], clients: 4, new Progress<float>(), CancellationToken.None);
        Assert.Equal(4, most);
        Assert.Equal(Enumerable.Range(0, 40), records.Select(record => record.Asked.Input));
    }

    private static void InterlockedMax(ref int place, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref place)) < value && Interlocked.CompareExchange(ref place, value, seen) != seen)
        {
        }
    }
}
