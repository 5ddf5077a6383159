using System.Numerics;
using System.Runtime.CompilerServices;

namespace Sluice.Tokenizers;

/// <summary>From a token's bytes to its id: open addressing over a <see cref="ByteStrings"/>.</summary>
internal sealed class TokenMap
{
    private readonly ByteStrings _strings;

    // Index + 1 in the low half (0: empty), the hash in the high half, so that a miss seldom touches the strings.
    private readonly ulong[] _slots;

    public TokenMap(ByteStrings strings)
    {
        _strings = strings;
        _slots = new ulong[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(strings.Count * 2L, 16))];
    }

    /// <summary>The length of the longest entry in bytes.</summary>
    public int Longest { get; private set; }

    /// <summary>Adds a string by its index; returns the index that has the same bytes already, or -1 if it is new.</summary>
    public int Add(int index)
    {
        ReadOnlySpan<byte> bytes = _strings[index];
        uint hash = ByteHash.Of(bytes);
        int slot = Slot(bytes, hash);
        if (_slots[slot] != 0)
            return (int)(uint)_slots[slot] - 1;
        _slots[slot] = ((ulong)hash << 32) | (uint)(index + 1);
        Longest = Math.Max(Longest, bytes.Length);
        return -1;
    }

    /// <summary>The index of a string with these bytes, or -1.</summary>
    public int Find(ReadOnlySpan<byte> bytes) =>
        bytes.Length > Longest ? -1 : (int)(uint)_slots[Slot(bytes, ByteHash.Of(bytes))] - 1;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Slot(ReadOnlySpan<byte> bytes, uint hash)
    {
        int mask = _slots.Length - 1;
        int slot = (int)hash & mask;
        while (_slots[slot] is var entry && entry != 0
            && !((uint)(entry >> 32) == hash && _strings[(int)(uint)entry - 1].SequenceEqual(bytes)))
        {
            slot = (slot + 1) & mask;
        }
        return slot;
    }
}
