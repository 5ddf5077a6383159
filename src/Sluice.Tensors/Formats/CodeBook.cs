using System.Buffers.Text;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// The list of points that an IQ format's index chooses from: each is 8 (or 4) weights at once, of few possible levels.
/// </summary>
internal sealed class CodeBook
{
    private readonly sbyte[] _points;
    private Neighbours? _neighbours;

    /// <summary>Unpacks a code book.</summary>
    /// <param name="width">Weights in a point.</param>
    /// <param name="levels">The values that a weight can have: 3 or 8 of them, written as 2 or 3 bits.</param>
    /// <param name="packed">Base64 of the level numbers of all points in order, least significant bits first.</param>
    public CodeBook(int width, ReadOnlySpan<sbyte> levels, ReadOnlySpan<byte> packed)
    {
        int bits = BitOperations.Log2((uint)levels.Length - 1) + 1;
        byte[] bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(packed.Length)];
        Base64.DecodeFromUtf8(packed, bytes, out _, out int length);
        Width = width;
        _points = new sbyte[length * 8 / bits];
        uint pending = 0;
        int have = 0, next = 0;
        for (int i = 0; i < _points.Length; i++)
        {
            if (have < bits)
            {
                pending |= (uint)bytes[next++] << have;
                have += 8;
            }
            _points[i] = levels[(int)(pending & ((1u << bits) - 1))];
            pending >>= bits;
            have -= bits;
        }
    }

    private CodeBook(int width, sbyte[] points) => (Width, _points) = (width, points);

    /// <summary>Weights in a point.</summary>
    public int Width { get; }

    /// <summary>Points: a power of two.</summary>
    public int Count => _points.Length / Width;

    /// <summary>All points, one after the other.</summary>
    public ReadOnlySpan<sbyte> Points => _points;

    /// <summary>Finds points; made when first asked for.</summary>
    public Neighbours Neighbours => LazyInitializer.EnsureInitialized(ref _neighbours, () => new Neighbours(this));

    /// <summary>Writes a point.</summary>
    public void Copy(int index, Span<sbyte> target) => _points.AsSpan(index * Width, Width).CopyTo(target);

    /// <summary>The book of all points with 1 added to each of their weights, and then of all with 1 taken away.</summary>
    public CodeBook UpAndDown()
    {
        sbyte[] both = new sbyte[2 * _points.Length];
        for (int i = 0; i < _points.Length; i++)
        {
            both[i] = (sbyte)(_points[i] + 1);
            both[_points.Length + i] = (sbyte)(_points[i] - 1);
        }
        return new CodeBook(Width, both);
    }

    /// <summary>
    /// Negates weight j of 8 wherever bit j of <paramref name="signs"/> is set; the weights are not 0 (so that the
    /// sum below never carries from one byte into the next).
    /// </summary>
    public static void Negate(byte signs, Span<sbyte> eight)
    {
        const ulong ones = 0x0101_0101_0101_0101, bitOfByte = 0x8040_2010_0804_0201;
        ref ulong weights = ref MemoryMarshal.AsRef<ulong>(MemoryMarshal.AsBytes(eight[..8]));
        ulong set = ((((signs * ones) & bitOfByte) + 0x7F * ones) >> 7) & ones;
        weights = (weights ^ (set * 0xFF)) + set;
    }

    /// <summary>The 8 signs that 7 bits stand for: the last makes the number of negations even.</summary>
    public static byte EvenSigns(uint seven) => (byte)(seven | ((uint)BitOperations.PopCount(seven) << 7));
}
