namespace Sluice.TrainStarter;

/// <summary>The tokens around a story.</summary>
internal static class Mark
{
    public const ushort Begin = 1, End = 2;
}
