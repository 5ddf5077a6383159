namespace Sluice.Tensors.KvFormats;

/// <summary>The types of numbers that attention multiplies where they lie.</summary>
internal enum KvCell
{
    Float,
    Half,
    BFloat16,
}
