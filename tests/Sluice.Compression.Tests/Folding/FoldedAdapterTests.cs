using Sluice.Files;

namespace Sluice.Compression.Tests;

/// <summary>An adapter fits a model that was only rounded, and not one whose maps read other inputs than those that it was trained on.</summary>
public sealed class FoldedAdapterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ModelFile _file = ModelFile.Open(TinyModel.Find("llama-gqa"));

    public void Dispose()
    {
        _file.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Of_a_rounded_model_it_is_loaded() => Assert.Null(Load(Quantize(_file, new NearestQuantizer())));

    [Fact]
    public void Of_a_model_with_folded_scales_it_is_refused()
    {
        FoldedFactors factors = new(_file);
        FoldPair pair = FoldPair.Find(_file)[0];
        factors.Fold(pair, [.. Enumerable.Repeat(2f, pair.Experts * pair.Count)]);
        Assert.Contains("'scales'", Load(Quantize(_file, new FoldingQuantizer(factors, new NearestQuantizer())))?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_rotated_model_it_is_refused_also_after_rounding()
    {
        ModelRotation.Write(_file, _folder.File("rotated.gguf"));
        Assert.Contains("'rotation'", Load(_folder.File("rotated.gguf"))?.Message, StringComparison.Ordinal);
        using ModelFile rotated = ModelFile.Open(_folder.File("rotated.gguf"));
        Assert.Contains("'rotation'", Load(Quantize(rotated, new NearestQuantizer()))?.Message, StringComparison.Ordinal);
    }

    private string Quantize(ModelFile file, ITensorQuantizer method)
    {
        QuantizationOptions options = new() { Mix = TypeMixes.Get("F16") };
        return ModelQuantizer.Run(QuantizationPlan.Make(file, options), _folder.File("made.gguf"), method)[0];
    }

    /// <summary>Why it is refused; null if it is not.</summary>
    private Exception? Load(string model)
    {
        using Runner runner = TinyModel.Load(model);
        string adapter = new TestAdapter(_file, rank: 4, seed: 1).WriteGguf(_folder.File("adapter.gguf"));
        return Record.Exception(() => runner.LoadAdapter("a", adapter));
    }
}
