using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Panels whose codes are packed to their bits. A group of 32 columns is 8 vectors of 64 bytes, one for each 4 columns
/// (a quad): byte 4 r + i of vector j is the code of row r, column 4 j + i. Codes of other than 8 bits are stored in planes of
/// 4, 2 and 1 bits, low bits first, each of whole vectors in which quads share bytes:
/// <code>
/// plane of 4 bits   4 vectors; vector m: | quad 2 m + 1 | quad 2 m |
///            2 bits   2 vectors; vector m: | quad 4 m + 3 | ... | quad 4 m |
///            1 bit    1 vector:            | quad 7 | ... | quad 0 |
/// </code>
/// A panel is a run of units, each of a stretch of 256 columns (the last perhaps less): codes [groups, bits, 64], then the stretch's
/// scales. So a panel is read from its first byte to its last, and the next panel follows.
/// </summary>
internal sealed unsafe class PackedIntegers : IntegerPanels
{
    private readonly IntegerFormat format;
    private readonly IntegerLayout layout;
    private readonly NativeBuffer buffer;
    private readonly byte* data;
    private readonly long panelBytes;
    private readonly int unitBytes; // of a full stretch

    public PackedIntegers(WeightData source, IntegerFormat format, IntegerLayout layout, WorkerPool pool)
        : base(source, format)
    {
        this.format = format;
        this.layout = layout;
        Levels = layout.HasLevels ? FindLevels(format) : null;
        int last = Columns % Stretch / Group;
        unitBytes = UnitBytes(Stretch / Group);
        panelBytes = ((long)(Columns / Stretch) * unitBytes + (last > 0 ? UnitBytes(last) : 0) + 63) & ~63L;
        buffer = new NativeBuffer(checked(panelBytes * PanelsPerExpert * Experts));
        data = buffer.Pointer;
        try
        {
            pool.For(PanelsPerExpert * Experts, new PackJob(this, source));
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    public override long Bytes => buffer.Length;

    public TensorType Type => format.Type;

    public IntegerLayout Layout => layout;

    /// <summary>The codes that 4 bits choose from, or null.</summary>
    public byte[]? Levels { get; }

    /// <summary>The units of a panel from a column on, which is a multiple of <see cref="Panels.Stretch"/>.</summary>
    public byte* Units(int panel, int column) => data + panel * panelBytes + (long)(column / Stretch) * unitBytes;

    /// <summary>Asks for columns of a panel to be brought to the second-level cache.</summary>
    public void Prefetch(int panel, int column, int columns)
    {
        if (!Sse.IsSupported)
            return;
        byte* units = Units(panel, column), end = units + (columns + Stretch - 1) / Stretch * (long)unitBytes;
        for (; units < end; units += NativeBuffer.Alignment)
            Sse.Prefetch1(units);
    }

    private int CodeBytes(int groups) => groups * layout.Bits * 64;

    private int UnitBytes(int groups) => CodeBytes(groups) + layout.Scales.Bytes(groups);

    public override void Dispose() => buffer.Dispose();

    public override byte* Unpack(int panel, int column, int groups, byte* codes, float* scales)
    {
        byte* unit = Units(panel, column), target = codes;
        if (layout.Bits == 8 && groups <= Stretch / Group)
        {
            layout.Scales.Unpack(unit + CodeBytes(groups), groups, scales);
            return unit;
        }
        for (int done = 0; done < groups; done += Stretch / Group, unit += unitBytes)
        {
            int count = Math.Min(groups - done, Stretch / Group);
            if (Levels is not null)
                BitPlanes.UnpackLevels(unit, count, target, Vector128.Create((ReadOnlySpan<byte>)Levels));
            else if (layout.Bits == 8)
                Buffer.MemoryCopy(unit, target, GroupCodes * count, GroupCodes * count);
            else
                BitPlanes.Unpack(layout.Bits, unit, count, target);
            layout.Scales.Unpack(unit + CodeBytes(count), count, scales);
            target += count * GroupCodes;
            scales += count * Kind.ScalesPerGroup;
        }
        return codes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        sbyte* quants = stackalloc sbyte[Stretch];
        byte* codes = stackalloc byte[Stretch * Height];
        int size = format.GroupSize;
        float* scales = stackalloc float[Stretch / 16 * Height];
        float* mins = stackalloc float[Stretch / 16 * Height];
        byte* target = data + panel * panelBytes;
        new Span<byte>(target, checked((int)panelBytes)).Clear();
        for (int column = 0; column < Columns; column += Stretch)
        {
            int columns = Math.Min(Stretch, Columns - column), groups = columns / size;
            new Span<byte>(codes, columns * Height).Clear();
            byte* blocks = source.RowPointer(first, expert) + format.Bytes(column);
            int blockBytes = (int)format.Bytes(columns);
            for (int r = 0; r < count; r++)
            {
                format.Decompose(
                    new ReadOnlySpan<byte>(blocks + r * source.RowBytes, blockBytes), new Span<sbyte>(quants, columns),
                    new Span<float>(scales + r * groups, groups), new Span<float>(mins + r * groups, format.HasMin ? groups : 0));
                if (Levels is not null)
                    ToChoices(quants, columns, Levels, format.Lowest);
                else if (format.Lowest != 0)
                {
                    // As bytes that wrap around: a code of 8 bits may not fit in an sbyte.
                    Fields.Add(new Span<sbyte>(quants, columns), (sbyte)-format.Lowest);
                }
                // Dwords of a row go 16 dwords apart.
                for (int j = 0; j < columns / 4; j++)
                    ((int*)codes)[j * Height + r] = ((int*)quants)[j];
            }
            BitPlanes.Pack(layout.Bits, codes, columns / Group, target);
            layout.Scales.Pack(blocks, source.RowBytes, count, columns, scales, mins, target + CodeBytes(columns / Group), Name);
            target += unitBytes;
        }
    }

    // The reverse of looking up; any of the choices whose levels are equal will do.
    internal static void ToChoices(sbyte* quants, int count, byte[] levels, int lowest)
    {
        for (int i = 0; i < count; i += 32)
        {
            Vector256<byte> codes = (Vector256.Load(quants + i) - Vector256.Create((sbyte)lowest)).AsByte(), choice = Vector256<byte>.Zero;
            for (int c = 1; c < levels.Length; c++)
                choice = Vector256.ConditionalSelect(Vector256.Equals(codes, Vector256.Create(levels[c])), Vector256.Create((byte)c), choice);
            choice.AsSByte().Store(quants + i);
        }
    }

    /// <summary>The codes that the 4 bits of a format with levels choose, found by decomposing a block of each.</summary>
    internal static byte[] FindLevels(IntegerFormat format)
    {
        // Whatever its layout, a block of a 4-bit format whose bytes are all (c << 4) | c has only weights of choice c.
        Span<byte> block = stackalloc byte[format.BlockBytes];
        Span<sbyte> quants = stackalloc sbyte[format.BlockSize];
        Span<float> scales = stackalloc float[format.BlockSize / format.GroupSize];
        byte[] levels = new byte[16];
        for (int c = 0; c < 16; c++)
        {
            block.Fill((byte)(c * 17));
            format.Decompose(block, quants, scales, []);
            levels[c] = (byte)(quants[0] - format.Lowest);
        }
        return levels;
    }

    private readonly struct PackJob(PackedIntegers panels, WeightData source) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
                panels.Pack(source, panel);
        }
    }
}
