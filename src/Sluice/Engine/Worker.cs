using Sluice.Models;
using Sluice.Tensors;

namespace Sluice;

/// <summary>What kind of tokens a worker's steps have.</summary>
[Flags]
internal enum StepRole
{
    /// <summary>Tokens of prompts, and those that are computed again, up to the first that is generated from them.</summary>
    Prompts = 1,

    /// <summary>One token each of the requests that are past that.</summary>
    Decode = 2,

    /// <summary>Both in the same steps.</summary>
    All = Prompts | Decode,
}

/// <summary>
/// What runs steps of one kind, on a thread of its own. Two workers share weights and cache; sequences, and so their blocks, pass
/// from one to the other by reference.
/// </summary>
internal sealed class Worker(Runner runner, Ops ops, Model model, StepRole role)
{
    /// <summary>Which tokens it runs.</summary>
    public StepRole Role => role;

    /// <summary>The tokens of the step under way.</summary>
    public Batch Batch { get; } = new();

    /// <summary>Their sequences, in the batch's order; nobody else touches these until the step is delivered.</summary>
    public List<Sequence> Sequences { get; } = [];

    /// <summary>A scope for the results of <see cref="Run"/>.</summary>
    public ScratchScope Scratch() => ops.Scratch();

    /// <summary>Computes what the rows want.</summary>
    public StepOutputs Run()
    {
        Tensor logits = runner.Forward(Batch, model, out Tensor hidden);
        return new StepOutputs(logits, hidden);
    }
}
