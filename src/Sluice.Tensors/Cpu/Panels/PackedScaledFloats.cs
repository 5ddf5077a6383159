using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Panels of <see cref="ScaledFloats"/>: for every block of columns [16 rows] scales, then codes: of 8 bits [columns, 16 rows], of 4 bits
/// [pairs of columns, 16 rows], the even column in the low bits. A panel's blocks follow each other.
/// </summary>
internal sealed unsafe class PackedScaledFloats : FloatPanels
{
    private readonly NativeBuffer _buffer;
    private readonly byte* _data;
    private readonly long _panelBytes;
    private readonly int _blockBytes;
    private readonly int[] _pairs;
    private readonly byte[] _lower, _upper; // of 8 bits, as Float8Pairs has them

    public PackedScaledFloats(WeightData source, ScaledFloats format, WorkerPool pool)
        : base(source)
    {
        Format = format;
        _pairs = PairsOf(format);
        (_lower, _upper) = (Float8Pairs.Bytes(_pairs, upper: false), Float8Pairs.Bytes(_pairs, upper: true));
        _blockBytes = format.BlockBytes * Height;
        _panelBytes = (long)Columns / format.BlockSize * _blockBytes;
        _buffer = new NativeBuffer(checked(_panelBytes * PanelsPerExpert * Experts));
        _data = _buffer.Pointer;
        try
        {
            pool.For(PanelsPerExpert * Experts, new PackJob(this, source));
        }
        catch
        {
            _buffer.Dispose();
            throw;
        }
    }

    public ScaledFloats Format { get; }

    public override long Bytes => _buffer.Length;

    /// <summary>The bfloat16s that a byte of codes stands for: of 8 bits one, in the lower half; of 4 bits two, the first in the lower half.</summary>
    public ReadOnlySpan<int> Pairs => _pairs;

    /// <summary>The packed blocks of a panel from a block's first column on.</summary>
    public byte* Codes(int panel, int column) => _data + panel * _panelBytes + (long)column / Format.BlockSize * _blockBytes;

    public override void Dispose() => _buffer.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        byte* packed = Codes(panel, column);
        float* target = values;
        fixed (float* levels = Format.Levels)
        {
            for (int done = 0; done < columns; done += Format.BlockSize, packed += _blockBytes)
            {
                byte* codes = packed + Height * sizeof(float);
                if (Format.Bits == 8)
                    UnpackBytes(codes, (float*)packed, target);
                else
                    UnpackNibbles(codes, (float*)packed, levels, target);
                target += Format.BlockSize * Height;
            }
        }
        return values;
    }

    public override bool IsLike(Panels other) => other is PackedScaledFloats floats && floats.Format == Format;

    /// <summary>Unpacks levels, rounded to bfloat16, and scales, as <see cref="ScaledCodes.Unpack"/> says.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void UnpackPairs(int panel, int column, int groups, int* pairs, float* scales)
    {
        const int Group = IntegerPanels.Group;
        for (int done = 0; done < groups; done++, scales += Height, pairs += Group / 2 * Height)
        {
            (int block, int within) = Math.DivRem(done * Group, Format.BlockSize);
            byte* scale = Codes(panel, column) + (long)block * _blockBytes, codes = scale + Height * sizeof(float) + within * Height * Format.Bits / 8;
            Buffer.MemoryCopy(scale, scales, Height * sizeof(float), Height * sizeof(float));
            if (Format.Bits == 4 && Avx512BW.IsSupported)
                UnpackNibblePairs(codes, pairs);
            else if (Format.Bits == 8 && Float8Pairs.IsSupported)
                Float8Pairs.Unpack(codes, Group, _lower, _upper, pairs);
            else
                LookUpPairs(codes, pairs);
        }
    }

    // Pairs of a group's columns.
    private void LookUpPairs(byte* codes, int* pairs)
    {
        for (int pair = 0; pair < IntegerPanels.Group / 2; pair++, pairs += Height)
        {
            for (int r = 0; r < Height; r++, codes++)
                pairs[r] = Format.Bits == 4 ? _pairs[*codes] : _pairs[*codes] & 0xFFFF | _pairs[codes[Height]] << 16;
            codes += Format.Bits == 4 ? 0 : Height;
        }
    }

    // As the kernel ScaledLevels does: a look-up reads 5 bits of a word, of which the table ignores the fifth.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void UnpackNibblePairs(byte* codes, int* pairs)
    {
        Vector512<short> table = Avx512BW.PermuteVar32x16(
            Vector512.Create(_pairs.AsSpan(0, Height)).AsInt16(), (Vector512<short>.Indices & Vector512.Create((short)15)) << 1);
        for (int pair = 0; pair < IntegerPanels.Group / 2; pair++, pairs += Height, codes += Height)
        {
            Vector512<int> both = Avx512F.ConvertToVector512Int32(Vector128.Load(codes));
            Avx512BW.PermuteVar32x16(table, (both | both << 12).AsInt16()).AsInt32().Store(pairs);
        }
    }

    // What a byte of codes stands for, as bfloat16s: of codes of 4 bits both, the first in the lower half.
    private static int[] PairsOf(ScaledFloats format)
    {
        float* room = stackalloc float[Height];
        int[] pairs = new int[256];
        for (int b = 0; b < pairs.Length; b++)
        {
            (room[0], room[1]) = format.Bits == 8 ? (format.Levels[b], 0) : (format.Levels[b & 15], format.Levels[b >> 4]);
            pairs[b] = Bfloat16Pairs.Round(room).AsInt32()[0];
        }
        return pairs;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void UnpackBytes(byte* codes, float* scales, float* target)
    {
        // See Float8: E5M2 is a half's upper byte; E4M3 moves one bit down from there, and its sign not.
        bool isUpper = Format.Unit == 1;
        ushort* halves = stackalloc ushort[Height];
        Vector256<float> low = Vector256.Load(scales), high = Vector256.Load(scales + 8), unit = Vector256.Create(Format.Unit);
        for (int i = 0; i < Format.BlockSize; i++, codes += Height, target += Height)
        {
            (Vector128<ushort> a, Vector128<ushort> b) = Vector128.Widen(Vector128.Load(codes));
            Vector256<ushort> upper = Vector256.Create(a, b) << 8;
            if (!isUpper)
                upper = (upper & Vector256.Create((ushort)0x8000)) | ((upper & Vector256.Create((ushort)0x7FFF)) >>> 1);
            upper.Store(halves);
            HalfBits.FiniteToSingles(halves, target);
            (Vector256.Load(target) * unit * low).Store(target);
            (Vector256.Load(target + 8) * unit * high).Store(target + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void UnpackNibbles(byte* codes, float* scales, float* levels, float* target)
    {
        if (Avx512F.IsSupported)
        {
            Vector512<float> table = Vector512.Load(levels), scale = Vector512.Load(scales);
            for (int i = 0; i < Format.BlockSize; i += 2, codes += Height, target += 2 * Height)
            {
                Vector512<int> pair = Avx512F.ConvertToVector512Int32(Vector128.Load(codes));
                // Only the lowest 4 bits of an index count.
                (Avx512F.PermuteVar16x32(table, pair) * scale).Store(target);
                (Avx512F.PermuteVar16x32(table, pair >>> 4) * scale).Store(target + Height);
            }
            return;
        }
        for (int i = 0; i < Format.BlockSize; i += 2, codes += Height, target += 2 * Height)
        {
            for (int r = 0; r < Height; r++)
            {
                target[r] = levels[codes[r] & 15] * scales[r];
                target[Height + r] = levels[codes[r] >> 4] * scales[r];
            }
        }
    }

    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        byte* target = _data + panel * _panelBytes;
        new Span<byte>(target, checked((int)_panelBytes)).Clear();
        int codeBytes = Format.BlockBytes - sizeof(float);
        for (int r = 0; r < count; r++)
        {
            ReadOnlySpan<byte> row = source.Row(first + r, expert);
            for (byte* block = target; !row.IsEmpty; block += _blockBytes, row = row[Format.BlockBytes..])
            {
                float scale = BinaryPrimitives.ReadSingleLittleEndian(row);
                if (!(Math.Abs(scale) < 1e30f))
                    throw new InvalidDataException($"{Name} has a scale of {scale}.");
                ((float*)block)[r] = scale;
                byte* codes = block + Height * sizeof(float) + r;
                for (int i = 0; i < codeBytes; i++, codes += Height)
                {
                    byte code = row[sizeof(float) + i];
                    if (Format.Bits == 8 && !float.IsFinite(Format.Levels[code]))
                        throw new InvalidDataException($"{Name} has a weight that is not a finite number.");
                    *codes = code;
                }
            }
        }
    }

    private readonly struct PackJob(PackedScaledFloats panels, WeightData source) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
                panels.Pack(source, panel);
        }
    }
}
