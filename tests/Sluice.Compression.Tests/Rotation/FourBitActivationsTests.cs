using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression.Tests;

/// <summary>
/// What rotations are for: activations of 4 bits, with a scale a token. No kernel multiplies them, so they are rounded here before float kernels
/// do: as QuaRot's are, of all maps of the layers, and in the basis in which they meet the weights.
/// </summary>
public class FourBitActivationsTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("stories260K-w256-hd64-f32.gguf", 512)]
    [InlineData("bitllama-3M-f32.gguf", 512)]
    [InlineData("babyllama361-f32.gguf", 256)]
    public void Rotations_rescue_them(string model, int context)
    {
        using TemporaryFolder folder = new();
        string plain = SharedFiles.Shared("models", model), rotated = folder.File("rotated.gguf"), online = folder.File("online.gguf");
        using (ModelFile file = ModelFile.Open(plain))
        {
            ModelRotation.Write(file, rotated);
            ModelRotation.Write(file, online, isOnline: true);
        }
        double exact = Measure(plain, 0), exactOnline = Measure(online, 0), before = Measure(plain, 4), folded = Measure(rotated, 4), both = Measure(online, 4);
        output.WriteLine($"{model}: {exact:F4}; with activations of 4 bits {before:F4}, rotated {folded:F4}, and online {both:F4}; 6 bits {Measure(plain, 6):F4}, {Measure(rotated, 6):F4}, {Measure(online, 6):F4}");
        Assert.Equal(exact, exactOnline, 1e-3);
        Assert.True(both < folded && both < before, $"{both} is not below {folded} and {before}");

        double Measure(string path, int bits)
        {
            using Runner runner = Runner.Load(path, CalibrationText.Options(context, 2) with { Wrap = ops => bits == 0 ? ops : new RoundingOps(ops, bits) });
            Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
            string text = File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt")).Remove(40_000);
            return Perplexity.Measure(runner, tokenizer.Encode(text), tokenizer.AddsBos ? tokenizer.BosId : null, context, 10).Value;
        }
    }

    /// <summary>Rounds the inputs of the layers' maps to so many bits.</summary>
    private sealed class RoundingOps(Ops inner, int bits) : DelegatingOps(inner)
    {
        private readonly Dictionary<Weight, WeightData> _first = [];

        public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts)
        {
            Weight weight = Inner.LoadWeight(parts);
            _first.Add(weight, parts[0]);
            return weight;
        }

        protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default) => Inner.Linear(Round(x, weight), weight, bias);

        protected override Tensor MultiplyGated(Activation activation, Tensor x, Weight weight) => Inner.GatedLinear(activation, Round(x, weight), weight);

        private Tensor Round(Tensor x, Weight weight)
        {
            WeightData data = _first[weight];
            if (!data.Name.StartsWith("blk.", StringComparison.Ordinal))
                return x;
            Tensor rounded = Allocate(x.Rows, x.Columns);
            Copy(x, rounded);
            for (int row = 0; row < x.Rows; row++)
            {
                Span<float> values = rounded[row];
                if (data.RotatesInputs)
                    Hadamard.Rotate(values);
                float largest = 0;
                foreach (float value in values)
                    largest = MathF.Max(largest, MathF.Abs(value));
                float scale = largest / ((1 << (bits - 1)) - 1);
                for (int i = 0; i < values.Length && scale > 0; i++)
                    values[i] = MathF.Round(values[i] / scale) * scale;
                if (data.RotatesInputs)
                    Hadamard.RotateBack(values);
            }
            return rounded;
        }
    }
}
