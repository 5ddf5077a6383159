using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Cpu;

/// <summary>The linear maps of <see cref="CpuOps"/> alone.</summary>
internal sealed class LinearOps(int threads, Kernels kernels) : CpuOps(threads, kernels)
{
    public override void Activate(Activation activation, Tensor x) => throw new NotSupportedException();
    public override void Add(Tensor x, Tensor y) => throw new NotSupportedException();
    public override Tensor Attention(Tensor q, Tensor k, Tensor v, in AttentionSpec attention, KvLayer layer, Batch batch) => throw new NotSupportedException();
    public override Tensor CausalConv(Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch) => throw new NotSupportedException();
    public override Tensor Gate(Activation activation, Tensor gate, Tensor up) => throw new NotSupportedException();
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon) => throw new NotSupportedException();
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon) => throw new NotSupportedException();
    public override void Rope(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int start = 0) => throw new NotSupportedException();
    public override Tensor RopeAngles(ReadOnlySpan<int> positions, Tensor frequencies, float magnitude) => throw new NotSupportedException();
    public override void Scale(Tensor x, float factor) => throw new NotSupportedException();
    public override Tensor SelectiveScan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch) => throw new NotSupportedException();
    public override void SoftCap(Tensor x, float cap) => throw new NotSupportedException();
}
