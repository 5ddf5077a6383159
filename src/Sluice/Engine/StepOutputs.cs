using Sluice.Tensors;

namespace Sluice;

/// <summary>What a step computed for those who asked, handed out in the order of the batch's rows.</summary>
/// <param name="logits">Of the rows that wanted them [rows, vocabulary].</param>
/// <param name="hidden">Rows after the last norm, of those that wanted them [rows, embedding].</param>
internal struct StepOutputs(Tensor logits, Tensor hidden)
{
    private int _logits, _hidden;

    /// <summary>The next row's logits.</summary>
    public Span<float> NextLogits() => logits[_logits++];

    /// <summary>The next hidden row.</summary>
    public ReadOnlySpan<float> NextHidden() => hidden[_hidden++];
}
