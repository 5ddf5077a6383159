namespace Sluice;

/// <summary>
/// How large steps may be: how many sequences run at once, and how many tokens of prompts go beside those that decode. Without a
/// target, as many as the options say. With one, as many as keep a step, and so the time between two tokens, within it; what
/// steps of each size take is measured as they run.
/// </summary>
/// <remarks>
/// Sizes are tried upwards: at most twice the largest that was measured. Prompts always go on, if only by a few tokens, and one
/// sequence always runs, whatever the target.
/// </remarks>
internal sealed class StepBudget
{
    /// <summary>The tokens that prompts get in each step whatever the target; less where a step has no room for that.</summary>
    private const int LeastPromptTokens = 16;

    private const int FirstPromptTokens = 64; // of the first step that is measured beside others that decode
    private const double NewWeight = 0.2; // of the latest measurement in the mean of its size
    private readonly int _stepTokens;
    private readonly double? _target; // seconds
    private const int Enough = 8; // measurements of a size that count for more than the costs of all sizes
    private const int Fresh = 1000; // steps for which they do: a machine that was busy once shall be tried again
    private readonly DecodeTime[] _decodeTimes; // of steps in which just so many sequences decoded and nothing else
    private int _largestDecode, _largestPrompt, _steps;

    /// <param name="stepTokens">The most tokens of a step.</param>
    /// <param name="mostRunning">The most sequences that run at once.</param>
    /// <param name="target">The time that a step may take; null for any.</param>
    public StepBudget(int stepTokens, int mostRunning, TimeSpan? target)
    {
        (_stepTokens, _target) = (stepTokens, target?.TotalSeconds);
        MostRunning = MostRunningIn(stepTokens, mostRunning);
        _decodeTimes = new DecodeTime[MostRunning + 1];
        RunningLimit = target is null ? MostRunning : 1;
    }

    /// <summary>The sequences that run at once at most, whatever the target.</summary>
    public int MostRunning { get; }

    /// <summary>The sequences that shall run at once: of those whose steps stay within the target, the number that gives most tokens a second.</summary>
    public int RunningLimit { get; private set; }

    /// <summary>What steps were measured to cost.</summary>
    public StepCost Cost { get; } = new();

    /// <summary>How many of the asked-for sequences run at once: they take half of a step at most, so that prompts go on beside them.</summary>
    public static int MostRunningIn(int stepTokens, int mostRunning) => Math.Max(1, Math.Min(mostRunning, (stepTokens + 1) / 2));

    /// <summary>The tokens of prompts that go into a step.</summary>
    /// <param name="decoding">The sequences that decode in it.</param>
    public int PromptTokens(int decoding)
    {
        int room = Math.Max(0, _stepTokens - decoding);
        if (_target is not { } target || decoding == 0)
            return room; // nobody waits for a next token
        double left = target - DecodeSeconds(decoding);
        double fitting = Cost.PerPrompt > 0 ? left / Cost.PerPrompt : room;
        int tried = Math.Max(FirstPromptTokens, _largestPrompt * 2);
        return Math.Min(room, (int)Math.Max(Math.Min(fitting, tried), LeastPromptTokens));
    }

    /// <summary>Learns from a step.</summary>
    /// <param name="decoding">The sequences that decoded.</param>
    /// <param name="promptTokens">The tokens of prompts.</param>
    /// <param name="seconds">What it took.</param>
    public void Observe(int decoding, int promptTokens, double seconds)
    {
        _steps++;
        Cost.Observe(decoding, promptTokens, seconds);
        _largestDecode = Math.Max(_largestDecode, decoding);
        if (decoding > 0)
            _largestPrompt = Math.Max(_largestPrompt, promptTokens);
        if (promptTokens == 0 && decoding < _decodeTimes.Length)
        {
            DecodeTime known = _decodeTimes[decoding];
            int count = _steps - known.Last < Fresh ? known.Count : 0;
            double mean = known.Mean + (Math.Max(NewWeight, 1.0 / (count + 1)) * (seconds - known.Mean));
            _decodeTimes[decoding] = new DecodeTime(mean, count + 1, _steps);
        }
        if (_target is { } target)
            RunningLimit = BestRunning(target);
    }

    private int BestRunning(double target)
    {
        int best = 1, most = Math.Min(MostRunning, Math.Max(2, _largestDecode * 2));
        double bestRate = 0;
        for (int count = 1; count <= most; count++)
        {
            double seconds = DecodeSeconds(count);
            if (seconds + (Cost.PerPrompt * LeastPromptTokens) > target || count / seconds < bestRate)
                continue;
            (best, bestRate) = (count, count / seconds);
        }
        return best;
    }

    /// <summary>As measured, if lately and more than once or twice; else as the costs of all sizes tell.</summary>
    private double DecodeSeconds(int count) =>
        count < _decodeTimes.Length && _decodeTimes[count] is var known && known.Count >= Enough && _steps - known.Last < Fresh
            ? known.Mean
            : Cost.Seconds(count, 0);

    /// <summary>What was measured of steps of one size.</summary>
    /// <param name="Mean">Mean seconds, the latest counting most.</param>
    /// <param name="Count">How many there were.</param>
    /// <param name="Last">When the last was, in steps.</param>
    private readonly record struct DecodeTime(double Mean, int Count, int Last);
}
