using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Integers that lie column by column (<see cref="IColumns"/>), of 4 bits, of 6 or, where a format has 7 or 8, of a byte. A block of a column:
/// <code>
/// 8 bits   2 vectors of 64 bytes, of 64 rows each
/// 4 bits   1 vector; byte i: | byte i of the second 64 rows | byte i of the first |
/// 6 bits   the lower 4 likewise, then 32 bytes of upper 2 bits; byte i: | byte i of the second 64 rows | byte i of the first |
///          byte 32 + i of the second | byte 32 + i of the first |
/// </code>
/// in the order of rows of <see cref="Interleaving"/>. Scales lie apart: those of all panels for each 256 columns, then for the next.
/// </summary>
internal sealed unsafe class ColumnIntegers : IntegerPanels, IColumns
{
    /// <summary>Bytes from a panel's gathered codes to the next one's: a cache line more than they have.</summary>
    public const int GatheredBytes = (Stretch * Height) + 64;

    /// <summary>Panels that one interleaving makes.</summary>
    public const int QuadPanels = Interleaving.Rows / Height;

    private const int BlockRows = IColumns.BlockRows, Rows64 = Interleaving.Rows;

    private readonly IntegerFormat format;
    private readonly NativeBuffer codes, scales;
    private readonly int scaleBytes; // of a panel's full stretch
    private readonly long slabBytes, expertScaleBytes;
    private readonly int slabs;

    public ColumnIntegers(WeightData source, IntegerFormat format, IntegerLayout layout, WorkerPool pool)
        : base(source, format)
    {
        this.format = format;
        Layout = layout;
        Levels = layout.HasLevels ? PackedIntegers.FindLevels(format) : null;
        int blocks = IColumns.Blocks(Rows), last = Columns % Stretch / Group;
        SlabBlocks = IColumns.ChooseSlab(Rows, BlockBytes, pool.Threads);
        slabs = (blocks + SlabBlocks - 1) / SlabBlocks;
        // Whole cache lines, and one more, so that the columns of a block do not share cache sets.
        ColumnBytes = ((SlabBlocks * BlockBytes + 63) & ~63) + 64;
        slabBytes = (long)ColumnBytes * Columns;
        scaleBytes = Layout.Scales.Bytes(Stretch / Group);
        long ofPanel = ((long)(Columns / Stretch) * scaleBytes) + (last > 0 ? Layout.Scales.Bytes(last) : 0);
        expertScaleBytes = ((ofPanel * PanelsPerExpert) + 63) & ~63L;
        codes = new NativeBuffer(checked(slabBytes * slabs * Experts));
        // Kernels read those of whole blocks.
        scales = new NativeBuffer(checked(expertScaleBytes * Experts + IColumns.BlockPanels * scaleBytes));
        try
        {
            pool.For(blocks * Experts, new PackJob(this, source, blocks));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override long Bytes => codes.Length + scales.Length;

    public TensorType Type => format.Type;

    public IntegerLayout Layout { get; }

    /// <summary>The 16 codes that 4 bits choose from, or null.</summary>
    public byte[]? Levels { get; }

    private bool IsNibbles => IsOfNibbles(Layout);

    private bool HasUpper => IsOfUpper(Layout);

    public int StepColumns => Stretch;

    public int BlockBytes => BytesOf(Layout);

    public bool CanSkip => true;

    /// <summary>Whether a format can lie in columns, and is smaller for it at half of them.</summary>
    public static bool Fits(IntegerFormat format) => IntegerLayout.Find(format) is { Bits: >= 4 };

    /// <summary>Whether a block begins with the lower 4 bits of all rows.</summary>
    public static bool IsOfNibbles(IntegerLayout layout) => layout.Bits <= 6;

    /// <summary>Whether upper 2 bits follow them.</summary>
    public static bool IsOfUpper(IntegerLayout layout) => layout.Bits is 5 or 6;

    /// <summary>Bytes of a block of a column.</summary>
    public static int BytesOf(IntegerLayout layout) => !IsOfNibbles(layout) ? BlockRows : BlockRows / 2 + (IsOfUpper(layout) ? BlockRows / 4 : 0);

    public int SlabBlocks { get; }

    public nint ColumnBytes { get; }

    public byte* At(int expert, int block, int column)
    {
        (int slab, int within) = Math.DivRem(block, SlabBlocks);
        return codes.Pointer + ((long)expert * slabs + slab) * slabBytes + column * ColumnBytes + within * BlockBytes;
    }

    /// <summary>The packed scales of a panel from a column on, which is a multiple of <see cref="Panels.Stretch"/>.</summary>
    public byte* Scales(int panel, int column)
    {
        (int expert, int within) = Math.DivRem(panel, PanelsPerExpert);
        return scales.Pointer + expert * expertScaleBytes + (long)(column / Stretch) * PanelsPerExpert * scaleBytes
            + (long)within * PanelScales(column);
    }

    /// <summary>Bytes from a panel's scales to those of the next one, from such a column on.</summary>
    public int PanelScales(int column) => Layout.Scales.Bytes(Math.Min(Stretch, Columns - column) / Group);

    /// <summary>Unpacks the scales of a panel, to [groups, scales and then minimums of a group, 16 rows].</summary>
    public void UnpackScales(int panel, int column, int groups, float* target)
    {
        for (int done = 0; done < groups; done += Stretch / Group)
            Layout.Scales.Unpack(Scales(panel, column + done * Group), Math.Min(groups - done, Stretch / Group), target + done * Kind.ScalesPerGroup);
    }

    public override void Dispose()
    {
        codes.Dispose();
        scales.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override byte* Unpack(int panel, int column, int groups, byte* codes, float* scales)
    {
        UnpackScales(panel, column, groups, scales);
        (int expert, int within) = Math.DivRem(panel, PanelsPerExpert);
        (int block, int inBlock) = Math.DivRem(within, IColumns.BlockPanels);
        (int half, int j) = Math.DivRem(inBlock, Rows64 / Height);
        byte* from = At(expert, block, column) + (IsNibbles ? 0 : half * Rows64);
        Vector512<byte> table = LevelTable();
        byte* target = codes;
        for (int quad = 0; quad < groups * (Group / 4); quad++, from += 4 * ColumnBytes, target += Rows64)
        {
            byte* b = from + ColumnBytes, c = b + ColumnBytes, d = c + ColumnBytes;
            Vector512<byte> result = Quad.Load(from, b, c, d)[j];
            if (IsNibbles)
                result = Look(half == 0 ? Lower(result) : Upper(result), table);
            if (HasUpper)
                result |= UpperBits(Quad.LoadTwice(from + Rows64, b + Rows64, c + Rows64, d + Rows64)[j], half);
            result.Store(target);
        }
        return codes;
    }

    public void Prefetch(int panel, int panels, int column, int columns)
    {
        if (panel >= PanelsPerExpert * Experts)
            return;
        (int expert, int within) = Math.DivRem(panel, PanelsPerExpert);
        (int block, int inBlock) = Math.DivRem(within, IColumns.BlockPanels);
        byte* from = At(expert, block, column);
        if (IsNibbles)
            IColumns.Prefetch(from, BlockBytes, ColumnBytes, columns); // these bytes are of both halves
        else
            IColumns.Prefetch(from + inBlock / QuadPanels * Rows64, (panels + QuadPanels - 1) / QuadPanels * Rows64, ColumnBytes, columns);
    }

    /// <summary>Unpacks the codes of four panels, which are half a block: one interleaving makes them all.</summary>
    /// <param name="panel">The first of them, counted over all experts.</param>
    /// <param name="column">The first column, a multiple of <see cref="Panels.Stretch"/>.</param>
    /// <param name="groups">Groups of 32 columns.</param>
    /// <param name="codes">Room for each panel's, as in <see cref="Unpack"/>.</param>
    /// <param name="apart">Bytes from a panel's codes to the next one's.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void UnpackQuad(int panel, int column, int groups, byte* codes, nint apart)
    {
        (int expert, int within) = Math.DivRem(panel, PanelsPerExpert);
        (int block, int inBlock) = Math.DivRem(within, IColumns.BlockPanels);
        bool isUpper = inBlock >= QuadPanels, isNibbles = IsNibbles, hasUpper = HasUpper, hasLevels = Levels is not null;
        byte* a = At(expert, block, column) + (isNibbles || !isUpper ? 0 : Rows64);
        Vector512<byte> table = LevelTable();
        nint next = ColumnBytes;
        for (byte* end = codes + groups * GroupCodes; codes < end; a += 4 * next, codes += Rows64)
        {
            byte* b = a + next, c = b + next, d = c + next;
            Vector512<byte> one = Vector512.Load(a), two = Vector512.Load(b), three = Vector512.Load(c), four = Vector512.Load(d);
            if (isNibbles && isUpper)
                (one, two, three, four) = (Upper(one), Upper(two), Upper(three), Upper(four));
            else if (isNibbles)
                (one, two, three, four) = (Lower(one), Lower(two), Lower(three), Lower(four));
            if (hasUpper)
            {
                int half = isUpper ? 1 : 0;
                one |= UpperBits(Quad.Twice(a + Rows64), half);
                two |= UpperBits(Quad.Twice(b + Rows64), half);
                three |= UpperBits(Quad.Twice(c + Rows64), half);
                four |= UpperBits(Quad.Twice(d + Rows64), half);
            }
            if (hasLevels)
            {
                (one, two) = (Vector512.ShuffleNative(table, one), Vector512.ShuffleNative(table, two));
                (three, four) = (Vector512.ShuffleNative(table, three), Vector512.ShuffleNative(table, four));
            }
            Vector512<byte> low = Interleaving.Low(one, two), high = Interleaving.High(one, two);
            Vector512<byte> low2 = Interleaving.Low(three, four), high2 = Interleaving.High(three, four);
            Interleaving.LowPairs(low, low2).Store(codes);
            Interleaving.HighPairs(low, low2).Store(codes + apart);
            Interleaving.LowPairs(high, high2).Store(codes + 2 * apart);
            Interleaving.HighPairs(high, high2).Store(codes + 3 * apart);
        }
    }

    /// <summary>
    /// Brings the active columns of a block together, as <see cref="ActiveColumns"/> names them, in the form that kernels read:
    /// the codes of panel p of the block at p * <see cref="GatheredBytes"/>, [groups, 8, 16 rows, 4]. What stands where there are fewer
    /// active columns meets zeros.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Gather(int expert, int block, int column, byte* places, byte* counts, int groups, byte* target)
    {
        byte* first = At(expert, block, column);
        Vector512<byte> table = LevelTable();
        int quads = Group / 4 / Kind.Parts;
        for (int part = 0; part < groups * Kind.Parts; part++)
        {
            byte* place = places + part * quads * 4, to = target + part * quads * Rows64;
            for (int count = counts[part]; count > 0; count--, place += 4, to += Rows64)
            {
                byte* a = first + place[0] * ColumnBytes, b = first + place[1] * ColumnBytes;
                byte* c = first + place[2] * ColumnBytes, d = first + place[3] * ColumnBytes;
                Quad one = Quad.Load(a, b, c, d), two = one;
                if (HasUpper)
                    two = Quad.LoadTwice(a + Rows64, b + Rows64, c + Rows64, d + Rows64);
                else if (!IsNibbles)
                    two = Quad.Load(a + Rows64, b + Rows64, c + Rows64, d + Rows64);
                for (int j = 0; j < 4; j++)
                {
                    (Vector512<byte> lower, Vector512<byte> upper) = IsNibbles ? (Look(Lower(one[j]), table), Look(Upper(one[j]), table)) : (one[j], two[j]);
                    if (HasUpper)
                        (lower, upper) = (lower | UpperBits(two[j], 0), upper | UpperBits(two[j], 1));
                    lower.Store(to + j * GatheredBytes);
                    upper.Store(to + (4 + j) * GatheredBytes);
                }
            }
        }
    }

    private Vector512<byte> LevelTable()
    {
        if (Levels is null)
            return Vector512<byte>.Zero;
        Vector128<byte> sixteen = Vector128.Create((ReadOnlySpan<byte>)Levels);
        Vector256<byte> twice = Vector256.Create(sixteen, sixteen);
        return Vector512.Create(twice, twice);
    }

    private Vector512<byte> Look(Vector512<byte> choices, Vector512<byte> table) => Levels is null ? choices : Vector512.ShuffleNative(table, choices);

    private static Vector512<byte> Lower(Vector512<byte> bytes) => bytes & Vector512.Create((byte)15);

    private static Vector512<byte> Upper(Vector512<byte> bytes) => (bytes.AsUInt16() >>> 4).AsByte() & Vector512.Create((byte)15);

    // The upper 2 bits of a code, where they belong, of interleaved bytes that are there twice.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> UpperBits(Vector512<byte> twice, int half)
    {
        Vector512<ushort> spread = Vector512.Create(twice.GetLower().AsUInt16(), twice.GetUpper().AsUInt16() << 4);
        return (spread >>> (2 * half)).AsByte() & Vector512.Create((byte)0x30);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(WeightData source, int expert, int block)
    {
        int firstRow = block * BlockRows, rows = Math.Min(BlockRows, Rows - firstRow), parts = Group / format.GroupSize;
        // [rows, columns of a stretch]; rows that there are not stay zero.
        sbyte* quants = stackalloc sbyte[BlockRows * Stretch];
        float* rowScales = stackalloc float[Stretch / 16 * Height], mins = stackalloc float[Stretch / 16 * Height];
        new Span<sbyte>(quants, BlockRows * Stretch).Clear();
        for (int column = 0; column < Columns; column += Stretch)
        {
            int columns = Math.Min(Stretch, Columns - column), groups = columns / Group * parts;
            for (int row = 0; row < rows; row += Height)
            {
                int count = Math.Min(Height, rows - row);
                byte* blocks = source.RowPointer(firstRow + row, expert) + format.Bytes(column);
                for (int r = 0; r < count; r++)
                {
                    sbyte* own = quants + (row + r) * Stretch;
                    format.Decompose(
                        new ReadOnlySpan<byte>(blocks + r * source.RowBytes, (int)format.Bytes(columns)), new Span<sbyte>(own, columns),
                        new Span<float>(rowScales + r * groups, groups), new Span<float>(mins + r * groups, format.HasMin ? groups : 0));
                    if (Levels is not null)
                        PackedIntegers.ToChoices(own, columns, Levels, format.Lowest);
                    else if (format.Lowest != 0)
                        Fields.Add(new Span<sbyte>(own, columns), (sbyte)-format.Lowest); // bytes that wrap around
                }
                int panel = (expert * PanelsPerExpert) + (firstRow + row) / Height;
                Layout.Scales.Pack(blocks, source.RowBytes, count, columns, rowScales, mins, Scales(panel, column), Name);
            }
            for (int c = 0; c < columns; c++)
                PackColumn((byte*)quants + c, At(expert, block, column + c));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PackColumn(byte* quants, byte* target)
    {
        for (int i = 0; i < Rows64; i++)
        {
            byte* row = quants + Interleaving.RowOf(i) * Stretch;
            byte first = *row, second = row[Rows64 * Stretch];
            if (IsNibbles)
            {
                target[i] = (byte)((first & 15) | (second << 4));
                if (HasUpper)
                    target[Rows64 + i % 32] |= (byte)(((first >> 4) | (second >> 4 << 2)) << (i < 32 ? 4 : 0));
                continue;
            }
            target[i] = first;
            target[Rows64 + i] = second;
        }
    }

    /// <summary>Four columns of 64 rows, interleaved: a vector for each of 4 panels.</summary>
    private readonly struct Quad
    {
        private readonly Vector512<byte> p0, p1, p2, p3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Quad(Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, Vector512<byte> d)
        {
            Vector512<byte> low = Interleaving.Low(a, b), high = Interleaving.High(a, b), low2 = Interleaving.Low(c, d), high2 = Interleaving.High(c, d);
            p0 = Interleaving.LowPairs(low, low2);
            p1 = Interleaving.HighPairs(low, low2);
            p2 = Interleaving.LowPairs(high, high2);
            p3 = Interleaving.HighPairs(high, high2);
        }

        public Vector512<byte> this[int panel]
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => panel switch { 0 => p0, 1 => p1, 2 => p2, _ => p3 };
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Quad Load(byte* a, byte* b, byte* c, byte* d) =>
            new(Vector512.Load(a), Vector512.Load(b), Vector512.Load(c), Vector512.Load(d));

        /// <summary>Of 32 bytes each, twice.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Quad LoadTwice(byte* a, byte* b, byte* c, byte* d) => new(Twice(a), Twice(b), Twice(c), Twice(d));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<byte> Twice(byte* from) => Vector512.Create(Vector256.Load(from), Vector256.Load(from));
    }

    private readonly struct PackJob(ColumnIntegers panels, WeightData source, int blocks) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int item = start; item < end; item++)
                panels.Pack(source, item / blocks, item % blocks);
        }
    }
}
