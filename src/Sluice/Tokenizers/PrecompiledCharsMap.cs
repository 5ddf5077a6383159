using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Sluice.Tokenizers;

/// <summary>
/// SentencePiece's normalization rules (<c>precompiled_charsmap</c>): which byte sequences become which others. A double-array
/// trie (darts-clone) of 32-bit units, little-endian, after their length in bytes, then the replacements, each closed by a zero.
/// </summary>
/// <remarks>
/// A unit holds a label in bits 0-7, whether a value belongs to its node in bit 8, and the offset to its children in bits 10-30,
/// in steps of 256 if bit 9 is set; the unit of a value holds it in bits 0-30, with bit 31 set.
/// </remarks>
internal sealed class PrecompiledCharsMap
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private PrecompiledCharsMap(uint[] units, byte[] replacements) => (_units, _replacements) = (units, replacements);

    /// <param name="bytes">The map as SentencePiece writes it.</param>
    /// <param name="bad">Makes the exception for a map that cannot be.</param>
    public static PrecompiledCharsMap Parse(ReadOnlySpan<byte> bytes, Func<string, Exception> bad)
    {
        long size = bytes.Length < sizeof(uint) ? long.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (size > bytes.Length - sizeof(uint) || size % sizeof(uint) != 0 || size == 0)
            throw bad($"its trie of {size} bytes does not fit in its {bytes.Length} bytes");
        uint[] units = new uint[size / sizeof(uint)];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(sizeof(uint) * (i + 1))..]);
        byte[] replacements = bytes[(sizeof(uint) + (int)size)..].ToArray();
        PrecompiledCharsMap map = new(units, replacements);
        bool isClosed = replacements.Length == 0 || replacements[^1] == 0;
        if (!isClosed || !System.Text.Unicode.Utf8.IsValid(replacements))
            throw bad("its replacements are no UTF-8 strings, each closed by a zero");
        return map;
    }

    /// <summary>The replacement of the longest sequence that a text begins with, if there is one.</summary>
    public bool TryReplace(ReadOnlySpan<byte> text, out int consumed, out ReadOnlySpan<byte> replacement)
    {
        consumed = 0;
        replacement = default;
        uint node = Offset(_units[0]);
        for (int i = 0; i < text.Length && text[i] != 0; i++)
        {
            node ^= text[i];
            if (node >= _units.Length || (_units[node] & 0x800000FF) != text[i])
                break;
            uint unit = _units[node];
            node ^= Offset(unit);
            if ((unit & 0x100) != 0 && node < _units.Length && Value(_units[node]) is var value && value < _replacements.Length
                && (i + 1 == text.Length || (text[i + 1] & 0xC0) != 0x80))
            {
                consumed = i + 1;
                ReadOnlySpan<byte> rest = _replacements.AsSpan((int)value);
                replacement = rest[..rest.IndexOf((byte)0)];
            }
        }
        // A value that points amid a character would break the text.
        return consumed > 0
            && (replacement.Length == 0 || Rune.DecodeFromUtf8(replacement, out _, out _) is OperationStatus.Done);
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private static uint Value(uint unit) => unit & 0x7FFFFFFF;
}
