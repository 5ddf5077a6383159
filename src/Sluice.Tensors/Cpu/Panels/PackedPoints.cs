using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Panels of the formats with code books, which stay indices until they are used. A panel is a run of units of 256 columns:
/// <code>
/// low     [points][16 rows]    bits 0-7 of the index of each point (of 8 or 4 columns)
/// high    [.. / 8][16 rows]    the bits above, if the book has more than 256 points: 1, 2 or 4 of each point, those of
///                              neighbouring points in a byte, the first lowest
/// signs   [8][16 rows][4]      if the format has signs; bit j of byte 4 r + i of group g: column 32 g + 4 j + i of row r
/// d       [16 rows]            halves
/// scales  [groups / 2][16 rows] of each: | group 2 i + 1 | group 2 i |
/// </code>
/// A sign's bits lie as the codes' bytes do, so that one vector of them serves 8 vectors of codes.
/// </summary>
internal sealed unsafe class PackedPoints : IntegerPanels
{
    private readonly PointFormat format;
    private readonly NativeBuffer buffer;
    private readonly byte[] book; // pinned
    private readonly int highBits, highAt, signsAt, scalesAt, unitBytes;
    private readonly long panelBytes;

    public PackedPoints(WeightData source, PointFormat format, WorkerPool pool)
        : base(source, format)
    {
        this.format = format;
        book = format.Codes;
        CanLookUp = PointAssembler.Can(format);
        CanLoad = PointLoader.Can(format);
        int points = format.PointCount;
        // 0, 1, 2 or 4 bits, so that none straddle bytes: no book has 2048 points.
        highBits = int.Log2(format.Points.Count) - 8;
        highAt = points * Height;
        signsAt = highAt + points * highBits / 8 * Height;
        scalesAt = signsAt + (format.HasSigns ? Stretch / 8 * Height : 0);
        unitBytes = scalesAt + Height * sizeof(ushort) + format.GroupCount / 2 * Height;
        panelBytes = ((long)(Columns / Stretch) * unitBytes + 63) & ~63L;
        buffer = new NativeBuffer(checked(panelBytes * PanelsPerExpert * Experts));
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

    public PointFormat Format => format;

    /// <summary>Whether an assembled kernel can look the points up in registers.</summary>
    public bool CanLookUp { get; }

    /// <summary>Whether it can look them up in memory, beside its multiplications.</summary>
    public bool CanLoad { get; }

    /// <summary>Where a unit's numbers are.</summary>
    public PointLayout Layout => new(highAt, signsAt, scalesAt, unitBytes);

    /// <summary>The units of a panel from a column on, which is a multiple of <see cref="Panels.Stretch"/>.</summary>
    public byte* Units(int panel, int column) => buffer.Pointer + panel * panelBytes + (long)(column / Stretch) * unitBytes;

    public override void Dispose() => buffer.Dispose();

    public override byte* Unpack(int panel, int column, int groups, byte* codes, float* scales)
    {
        byte* unit = Units(panel, column), target = codes;
        ushort* indices = stackalloc ushort[Stretch / 4 * Height];
        byte* points = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(book));
        // A row is whole blocks of 256 columns, and so is any stretch of it.
        for (int done = 0; done < groups; done += Stretch / Group, unit += unitBytes)
        {
            if (Avx512F.IsSupported && format.Points is { Width: 4, Count: 256 })
                PermuteFours((uint*)points, unit, format.PointCount, (uint*)target);
            else
            {
                JoinIndices(unit, unit + highAt, highBits, format.PointCount, indices);
                if (format.Points.Width == 8)
                    LookUpEights((ulong*)points, indices, format.PointCount, (ulong*)target);
                else
                    LookUpFours((uint*)points, indices, format.PointCount, (uint*)target);
            }
            if (format.HasSigns)
                ApplySigns(unit + signsAt, target, (byte)Kind.Offset);
            UnpackScales((ushort*)(unit + scalesAt), format.GroupCount, format.Unit, scales);
            target += Stretch * Height;
            scales += Stretch / Group * Kind.ScalesPerGroup;
        }
        return codes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinIndices(byte* low, byte* high, int highBits, int points, ushort* indices)
    {
        Vector256<ushort> mask = Vector256.Create((ushort)((1 << highBits) - 1));
        for (int p = 0; p < points; p++, low += Height, indices += Height)
        {
            Vector256<ushort> index = Widen(low);
            if (highBits != 0)
            {
                (int at, int shift) = Math.DivRem(p * highBits, 8);
                index |= ((Widen(high + at * Height) >>> shift) & mask) << 8;
            }
            index.Store(indices);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Widen(byte* bytes)
    {
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(bytes));
        return Vector256.Create(low, high);
    }

    // A point of 8 codes is the dwords of two quads, which lie 16 dwords apart.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LookUpEights(ulong* book, ushort* indices, int points, ulong* codes)
    {
        for (int p = 0; p < points; p++, indices += Height, codes += Height)
        {
            LookUpRows(book, indices, codes);
            LookUpRows(book, indices + 4, codes + 2);
            LookUpRows(book, indices + 8, codes + 4);
            LookUpRows(book, indices + 12, codes + 6);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LookUpRows(ulong* book, ushort* indices, ulong* codes)
    {
        Vector128<ulong> a = Vector128.Create(book[indices[0]], book[indices[1]]);
        Vector128<ulong> b = Vector128.Create(book[indices[2]], book[indices[3]]);
        if (Sse.IsSupported)
        {
            Sse.Shuffle(a.AsSingle(), b.AsSingle(), 0b10_00_10_00).AsUInt64().Store(codes);
            Sse.Shuffle(a.AsSingle(), b.AsSingle(), 0b11_01_11_01).AsUInt64().Store(codes + Height / 2);
            return;
        }
        Vector128.Narrow(a, b).AsUInt64().Store(codes);
        Vector128.Narrow(a >>> 32, b >>> 32).AsUInt64().Store(codes + Height / 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LookUpFours(uint* book, ushort* indices, int points, uint* codes)
    {
        for (int i = 0; i < points * Height; i += 16)
        {
            LookUpRows(book, indices + i).Store(codes + i);
            LookUpRows(book, indices + i + 4).Store(codes + i + 4);
            LookUpRows(book, indices + i + 8).Store(codes + i + 8);
            LookUpRows(book, indices + i + 12).Store(codes + i + 12);
        }
    }

    // A book of 256 points is small enough for registers: 8 permutations choose from 32 of its points each, by the lower bits of
    // 16 rows' indices, and the upper 3 bits choose between these. A third faster than 16 loads (Zen 5).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PermuteFours(uint* book, byte* low, int points, uint* codes)
    {
        Vector512<uint> b0 = Vector512.Load(book), b1 = Vector512.Load(book + 16), b2 = Vector512.Load(book + 32),
            b3 = Vector512.Load(book + 48), b4 = Vector512.Load(book + 64), b5 = Vector512.Load(book + 80),
            b6 = Vector512.Load(book + 96), b7 = Vector512.Load(book + 112), b8 = Vector512.Load(book + 128),
            b9 = Vector512.Load(book + 144), b10 = Vector512.Load(book + 160), b11 = Vector512.Load(book + 176),
            b12 = Vector512.Load(book + 192), b13 = Vector512.Load(book + 208), b14 = Vector512.Load(book + 224),
            b15 = Vector512.Load(book + 240);
        for (int p = 0; p < points; p++, low += Height, codes += Height)
        {
            Vector512<uint> index = Avx512F.ConvertToVector512UInt32(Vector128.Load(low));
            Vector512<uint> no32 = Vector512.Equals(index & Vector512.Create(32u), Vector512<uint>.Zero);
            Vector512<uint> no64 = Vector512.Equals(index & Vector512.Create(64u), Vector512<uint>.Zero);
            Vector512<uint> no128 = Vector512.Equals(index & Vector512.Create(128u), Vector512<uint>.Zero);
            Vector512<uint> a = Vector512.ConditionalSelect(
                no32, Avx512F.PermuteVar16x32x2(b0, index, b1), Avx512F.PermuteVar16x32x2(b2, index, b3));
            Vector512<uint> b = Vector512.ConditionalSelect(
                no32, Avx512F.PermuteVar16x32x2(b4, index, b5), Avx512F.PermuteVar16x32x2(b6, index, b7));
            Vector512<uint> c = Vector512.ConditionalSelect(
                no32, Avx512F.PermuteVar16x32x2(b8, index, b9), Avx512F.PermuteVar16x32x2(b10, index, b11));
            Vector512<uint> d = Vector512.ConditionalSelect(
                no32, Avx512F.PermuteVar16x32x2(b12, index, b13), Avx512F.PermuteVar16x32x2(b14, index, b15));
            Vector512.ConditionalSelect(
                no128, Vector512.ConditionalSelect(no64, a, b), Vector512.ConditionalSelect(no64, c, d)).Store(codes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> LookUpRows(uint* book, ushort* indices) =>
        Vector128.Create(book[indices[0]], book[indices[1]], book[indices[2]], book[indices[3]]);

    // A code is q + offset: its negative's is 2 offset - code.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ApplySigns(byte* signs, byte* codes, byte offset)
    {
        const int vector = 4 * Height;
        for (int g = 0; g < Stretch / Group; g++, signs += vector)
        {
            for (int j = 0; j < 8; j++, codes += vector)
            {
                if (Vector512.IsHardwareAccelerated)
                {
                    Vector512<byte> code = Vector512.Load(codes), bit = Vector512.Create((byte)(1 << j));
                    Vector512<byte> isPlus = Vector512.Equals(Vector512.Load(signs) & bit, Vector512<byte>.Zero);
                    Vector512.ConditionalSelect(isPlus, code, Vector512.Create((byte)(2 * offset)) - code).Store(codes);
                    continue;
                }
                for (int part = 0; part < vector; part += 32)
                {
                    Vector256<byte> code = Vector256.Load(codes + part), bit = Vector256.Create((byte)(1 << j));
                    Vector256<byte> isPlus = Vector256.Equals(Vector256.Load(signs + part) & bit, Vector256<byte>.Zero);
                    Vector256.ConditionalSelect(isPlus, code, Vector256.Create((byte)(2 * offset)) - code).Store(codes + part);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UnpackScales(ushort* packed, int groups, float unit, float* scales)
    {
        float* d = stackalloc float[Height];
        HalfBits.FiniteToSingles(packed, d);
        Vector256<float> low = Vector256.Load(d) * unit, high = Vector256.Load(d + 8) * unit;
        byte* pairs = (byte*)(packed + Height);
        for (int g = 0; g < groups; g++, scales += Height)
        {
            Vector128<byte> number = (Vector128.Load(pairs + g / 2 * Height) >>> (g % 2 * 4)) & Vector128.Create((byte)15);
            (Vector256<float> a, Vector256<float> b) = ScaleLayout.BytesToSingles((number + number + Vector128<byte>.One).AsSByte());
            (a * low).Store(scales);
            (b * high).Store(scales + 8);
        }
    }

    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        Span<ushort> indices = stackalloc ushort[format.PointCount];
        Span<byte> signs = stackalloc byte[format.HasSigns ? Stretch / 8 : 0];
        Span<byte> scales = stackalloc byte[format.GroupCount];
        byte* start = buffer.Pointer + panel * panelBytes;
        for (int r = 0; r < count; r++)
        {
            ReadOnlySpan<byte> row = source.Row(first + r, expert);
            byte* unit = start;
            for (; !row.IsEmpty; row = row[format.BlockBytes..], unit += unitBytes)
            {
                float d = format.Read(row[..format.BlockBytes], indices, signs, scales);
                ((ushort*)(unit + scalesAt))[r] = ScaleLayout.ToHalf(d, Name);
                PackRow(indices, signs, scales, unit, r);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackRow(ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales, byte* unit, int r)
    {
        byte* low = unit + r, high = unit + highAt + r, numbers = unit + scalesAt + Height * sizeof(ushort) + r;
        for (int p = 0; p < indices.Length; p++)
        {
            low[p * Height] = (byte)indices[p];
            if (highBits != 0)
                high[p * highBits / 8 * Height] |= (byte)(indices[p] >> 8 << (p * highBits % 8));
        }
        for (int i = 0; i < signs.Length; i++)
        {
            // Of 8 columns that belong to quads 2 i and 2 i + 1; the products spread 4 bits to 4 bytes.
            uint sign = signs[i], quad = (uint)(2 * i % 8);
            uint first = ((sign & 15) * 0x0020_4081) & 0x0101_0101, second = ((sign >> 4) * 0x0020_4081) & 0x0101_0101;
            ((uint*)(unit + signsAt))[i / 4 * Height + r] |= (first << (int)quad) | (second << (int)(quad + 1));
        }
        for (int g = 0; g < scales.Length; g++)
            numbers[g / 2 * Height] |= (byte)(scales[g] << (g % 2 * 4));
    }

    private readonly struct PackJob(PackedPoints panels, WeightData source) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
                panels.Pack(source, panel);
        }
    }
}

/// <summary>Where a unit of <see cref="PackedPoints"/> has its parts, and its length, in bytes.</summary>
internal readonly record struct PointLayout(int HighAt, int SignsAt, int ScalesAt, int UnitBytes);
