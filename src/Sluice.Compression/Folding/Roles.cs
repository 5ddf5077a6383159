namespace Sluice.Compression;

/// <summary>Names of tensors by what they do.</summary>
internal static class Roles
{
    /// <summary>The embedding table, which some models use as their output map too: its rows are looked up, so it is none of the methods' matrices.</summary>
    public const string Embedding = "token_embd.weight";
}
