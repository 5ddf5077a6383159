using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// The inputs that are not zero, for each position (tiles are of one token), in the form in which <see cref="SkippingJob"/> multiplies them.
/// </summary>
internal unsafe struct ActiveColumns
{
    /// <summary>Columns of a position.</summary>
    public int Columns;

    /// <summary>
    /// For each kind of integers, quantized values [positions, groups, 8, 4]: those of a part of a group that are not zero moved together, then
    /// zeros.
    /// </summary>
    public fixed long Quants[CpuWeight.MaxKinds];

    /// <summary>The column of each, counted from the last multiple of <see cref="Panels.Stretch"/>, likewise.</summary>
    public fixed long Places[CpuWeight.MaxKinds];

    /// <summary>Fours of them with one that is not zero [positions, groups, parts].</summary>
    public fixed long Counts[CpuWeight.MaxKinds];

    /// <summary>The columns of floats that are not zero [positions, columns], where the weight has floats.</summary>
    public int* FloatColumns;

    /// <summary>Their values, likewise.</summary>
    public float* Floats;

    /// <summary>How many of the columns before each multiple of <see cref="IntegerPanels.Group"/> are not zero [positions, groups + 1].</summary>
    public int* FloatCounts;

    /// <summary>Groups of columns, of which the last may be shorter.</summary>
    public readonly int Groups => (Columns + IntegerPanels.Group - 1) / IntegerPanels.Group;

    public readonly sbyte* QuantsOf(int kind, int position) => (sbyte*)Quants[kind] + (long)position * Columns;

    public readonly byte* PlacesOf(int kind, int position) => (byte*)Places[kind] + (long)position * Columns;

    public readonly byte* CountsOf(int kind, in IntegerKind parts, int position) => (byte*)Counts[kind] + (long)position * Groups * parts.Parts;

    public readonly int* FloatCountsOf(int position) => FloatCounts + (long)position * (Groups + 1);

    /// <summary>Finds those of a position, whose inputs are arranged.</summary>
    public readonly void Find(in Activations activations, int position, ReadOnlySpan<IntegerKind> kinds)
    {
        for (int i = 0; i < kinds.Length; i++)
        {
            Find(activations.QuantsAt(kinds[i], position, 1, 0), Columns, IntegerPanels.Group / kinds[i].Parts, QuantsOf(i, position),
                PlacesOf(i, position), CountsOf(i, kinds[i], position));
        }
        if (FloatColumns is not null)
        {
            Find(activations.Floats + (long)position * Columns, Columns, FloatColumns + (long)position * Columns,
                Floats + (long)position * Columns, FloatCountsOf(position));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Find(sbyte* x, int columns, int part, sbyte* quants, byte* places, byte* counts)
    {
        for (int start = 0; start < columns; start += part, quants += part, places += part)
        {
            // Without branches, which would be guessed wrong half of the time.
            int found = 0;
            for (int i = start; i < start + part; i++)
            {
                quants[found] = x[i];
                places[found] = (byte)(i % Panels.Stretch);
                found += x[i] == 0 ? 0 : 1;
            }
            new Span<sbyte>(quants + found, part - found).Clear();
            // The last four are filled up with one of them, times zero.
            for (; found % 4 != 0; found++)
                places[found] = places[found - 1];
            *counts++ = (byte)(found / 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Find(float* x, int columns, int* found, float* values, int* counts)
    {
        int count = 0;
        for (int i = 0; i < columns; i++)
        {
            if (i % IntegerPanels.Group == 0)
                *counts++ = count;
            found[count] = i;
            values[count] = x[i];
            count += x[i] == 0 ? 0 : 1;
        }
        *counts = count;
    }
}
