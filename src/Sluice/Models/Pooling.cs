namespace Sluice.Models;

/// <summary>Which of a text's rows, after the model's last norm, make its embedding. The numbers are GGUF's <c>pooling_type</c>.</summary>
public enum Pooling
{
    /// <summary>The mean of all tokens' rows.</summary>
    Mean = 1,

    /// <summary>The first token's row: the classification token of models that see a text from both sides.</summary>
    First = 2,

    /// <summary>The last token's row.</summary>
    Last = 3,
}
