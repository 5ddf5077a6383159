using System.Diagnostics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Sluice.TrainStarter;

/// <summary>
/// Trains a model on real and on written stories. On written ones it learns the teacher's whole distribution; on real ones
/// the goal is the mean of that distribution and the token that really came next. Knowledge distillation as in
/// Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015).
/// </summary>
/// <param name="model">The model.</param>
/// <param name="teacher">The teacher.</param>
/// <param name="real">Real stories.</param>
/// <param name="written">Stories that the teacher wrote.</param>
/// <param name="steps">How many steps make the whole schedule.</param>
/// <param name="done">How many of them an earlier run did; the optimizer's state starts anew.</param>
internal sealed class Trainer(Llama model, Teacher teacher, TokenStream real, TokenStream written, int steps, int done)
{
    private const int TokensPerStep = 4096, Warmup = 100;
    private const double PeakRate = 3e-3, FinalRate = 5e-5, WeightDecay = 0.05, ClipNorm = 1.0;

    /// <summary>How much of each batch is real, and how much its real next token counts there.</summary>
    private const double RealShare = 0.5, RealWeight = 0.5;

    /// <summary>The share of the steps that use short windows, which cost less; then come whole contexts.</summary>
    private const double ShortShare = 0.7;

    private readonly Random _random = new(1 + done);

    public void Run(Action<int> checkpoint)
    {
        AdamW optimizer = optim.AdamW(
            [new AdamW.ParamGroup(Matrices(true)) { Options = new() { weight_decay = WeightDecay } },
             new AdamW.ParamGroup(Matrices(false)) { Options = new() { weight_decay = 0 } }],
            lr: PeakRate, beta1: 0.9, beta2: 0.95, weight_decay: WeightDecay);
        long started = Stopwatch.GetTimestamp();
        double meanLoss = 0;
        for (int step = done + 1; step <= steps; step++)
        {
            foreach (var group in optimizer.ParamGroups) group.LearningRate = Rate(step);
            using (NewDisposeScope())
            {
                optimizer.zero_grad();
                Tensor loss = Loss(step <= ShortShare * steps ? model.Shape.Context / 2 : model.Shape.Context);
                loss.backward();
                nn.utils.clip_grad_norm_(model.Weights.Values, ClipNorm);
                optimizer.step();
                meanLoss += (loss.item<float>() - meanLoss) / Math.Min(step - done, 50);
            }
            if (step % 50 == 0)
                Console.WriteLine($"step {step,5}  loss {meanLoss:f4}  rate {Rate(step):e2}  " +
                    $"{(long)(step - done) * TokensPerStep / Stopwatch.GetElapsedTime(started).TotalSeconds:f0} tokens/s");
            if (step % 250 == 0 || step == steps) checkpoint(step);
        }
    }

    /// <summary>Mean loss, in nats a token, over a text in windows of a whole context.</summary>
    /// <param name="logProbabilities">int64 [batch, time] to log probabilities of the next token [batch, time, vocabulary].</param>
    /// <param name="text">The text.</param>
    /// <param name="context">The window.</param>
    public static double Evaluate(Func<Tensor, Tensor> logProbabilities, TokenStream text, int context)
    {
        using var none = no_grad();
        double sum = 0;
        int count = 0;
        for (int start = 0; start + context < text.Count; start += context)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor window = Long(text.Tokens.Slice(start, context + 1)).view(1, -1);
            Tensor chosen = logProbabilities(window.narrow(1, 0, context)).gather(-1, window.narrow(1, 1, context).unsqueeze(-1));
            sum -= chosen.sum().item<float>();
            count += context;
        }
        return sum / count;
    }

    private Tensor Loss(int time)
    {
        int rows = TokensPerStep / time, realRows = (int)(RealShare * rows);
        var tokens = new long[rows * (time + 1)];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<ushort> window = (row < realRows ? real : written).Window(_random, time + 1);
            for (int t = 0; t <= time; t++) tokens[row * (time + 1) + t] = window[t];
        }
        Tensor windows = tensor(tokens).view(rows, time + 1);
        Tensor input = windows.narrow(1, 0, time), next = windows.narrow(1, 1, time).unsqueeze(-1);
        Tensor goal = teacher.Probabilities(input);
        Tensor realGoal = goal.narrow(0, 0, realRows).mul_(1 - RealWeight);
        realGoal.scatter_add_(-1, next.narrow(0, 0, realRows), full([realRows, time, 1], RealWeight, float32));
        return -(goal * F.log_softmax(model.Forward(input), -1)).sum() / (rows * time);
    }

    /// <summary>The learning rate: a linear warm-up, then half a cosine.</summary>
    private double Rate(int step) => step < Warmup
        ? PeakRate * step / Warmup
        : FinalRate + (PeakRate - FinalRate) * 0.5 * (1 + Math.Cos(Math.PI * (step - Warmup) / (steps - Warmup)));

    private IEnumerable<Parameter> Matrices(bool matrices) => model.Weights.Values.Where(w => w.shape.Length > 1 == matrices);

    private static Tensor Long(ReadOnlySpan<ushort> tokens)
    {
        long[] values = new long[tokens.Length];
        for (int i = 0; i < values.Length; i++) values[i] = tokens[i];
        return tensor(values);
    }
}
