using System.Numerics;
using System.Runtime.CompilerServices;

namespace Sluice.Tokenizers.Bpe;

/// <summary>Which two neighbouring symbols merge, into which, and how early. Open addressing.</summary>
/// <param name="capacity">How many merges to have room for; more make it grow.</param>
internal sealed class MergeTable(int capacity)
{
    /// <summary>No merge. It ranks after every merge.</summary>
    public const ulong None = ulong.MaxValue;

    private Entry[] _entries = new Entry[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity * 2L, 16))];

    /// <summary>How many merges were added.</summary>
    public int Count { get; private set; }

    /// <summary>The rank of a packed merge: the lower, the earlier.</summary>
    public static uint Rank(ulong merge) => (uint)(merge >> 32);

    /// <summary>What a packed merge makes.</summary>
    public static int Result(ulong merge) => (int)merge;

    /// <summary>Adds a merge, unless there is one of the same pair already.</summary>
    public void Add(int left, int right, uint rank, int result)
    {
        if (Count * 2 >= _entries.Length)
            Grow();
        ulong key = Key(left, right);
        ref Entry entry = ref _entries[Slot(key)];
        if (entry.Key != 0)
            return;
        entry = new(key, ((ulong)rank << 32) | (uint)result);
        Count++;
    }

    /// <summary>The merge of a pair, packed as its rank and its result, or <see cref="None"/>.</summary>
    public ulong Find(int left, int right)
    {
        ulong key = Key(left, right);
        Entry entry = _entries[Slot(key)];
        return entry.Key == 0 ? None : entry.Merge;
    }

    // Plus one, since a zero key marks an empty entry.
    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;

    private void Grow()
    {
        Entry[] old = _entries;
        _entries = new Entry[checked(old.Length * 2)];
        foreach (Entry entry in old)
        {
            if (entry.Key != 0)
                _entries[Slot(entry.Key)] = entry;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Slot(ulong key)
    {
        int mask = _entries.Length - 1;
        int slot = (int)ByteHash.Of(key) & mask;
        while (_entries[slot].Key is var found && found != key && found != 0)
            slot = (slot + 1) & mask;
        return slot;
    }

    private readonly record struct Entry(ulong Key, ulong Merge);
}
