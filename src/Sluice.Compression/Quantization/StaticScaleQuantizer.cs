using Sluice.Files;

namespace Sluice.Compression;

/// <summary>Another method, whose model also gets ranges of its maps' inputs.</summary>
internal sealed class StaticScaleQuantizer(ITensorQuantizer method, ActivationRanges ranges) : ITensorQuantizer
{
    public bool Changes(TensorInfo tensor) => method.Changes(tensor);

    public void Describe(Metadata metadata)
    {
        method.Describe(metadata);
        ranges.WriteTo(metadata);
    }

    public IMatrixQuantizer Begin(MatrixToQuantize matrix) => method.Begin(matrix);
}
