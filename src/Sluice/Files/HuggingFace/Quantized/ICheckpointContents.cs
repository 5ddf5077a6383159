using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>What <see cref="CheckpointWriter"/> writes in place of a folder's tensors.</summary>
public interface ICheckpointContents
{
    /// <summary>When a map's integers are wanted: those with lower numbers come first, those with equal ones in the order of the folder.</summary>
    /// <param name="map">The map, as <see cref="ModelFile"/> names it; of an expert, its matrix alone.</param>
    /// <param name="expert">Which expert's; 0 where there are none.</param>
    long Place(TensorInfo map, int expert) => 0;

    /// <summary>A map's integers, of the layout's bits and groups, its rows in the order that <see cref="ModelFile"/> has.</summary>
    /// <param name="map">As of <see cref="Place"/>.</param>
    /// <param name="expert">As of <see cref="Place"/>.</param>
    GroupedIntegers Integers(TensorInfo map, int expert);

    /// <summary>The values of a tensor that stays plain, or null if they are what they were.</summary>
    /// <param name="tensor">A tensor of the model that is no map, as <see cref="ModelFile"/> names it.</param>
    float[]? Changed(TensorInfo tensor) => null;
}
