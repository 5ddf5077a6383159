using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>A root mean square norm, or a layer norm.</summary>
internal sealed class Norm
{
    private readonly Ops _ops;
    private readonly Tensor _weight, _bias;
    private readonly float _epsilon;
    private readonly bool _centred;

    private Norm(Ops ops, Tensor weight, Tensor bias, float epsilon, bool centred) =>
        (_ops, _weight, _bias, _epsilon, _centred) = (ops, weight, bias, epsilon, centred);

    /// <summary>A root mean square norm of rows, or of groups, of a width.</summary>
    public static Norm Rms(ModelLoader loader, string name, int width) =>
        new(loader.Ops, loader.Vector(name + ".weight", width), default, loader.Config.RmsEpsilon, centred: false);

    /// <summary>The same, or null where the file does not have it.</summary>
    public static Norm? OptionalRms(ModelLoader loader, string name, int width) =>
        loader.Has(name + ".weight") ? Rms(loader, name, width) : null;

    /// <summary>A layer norm of rows of a width.</summary>
    public static Norm Layer(ModelLoader loader, string name, int width) => new(
        loader.Ops, loader.Vector(name + ".weight", width), loader.OptionalVector(name + ".bias", width),
        loader.Config.Float("attention.layer_norm_epsilon"), centred: true);

    /// <summary>The normed values, of the same shape.</summary>
    public Tensor Forward(Tensor x) =>
        _centred ? _ops.LayerNorm(x, _weight, _bias, _epsilon) : _ops.RmsNorm(x, _weight, _epsilon);
}
