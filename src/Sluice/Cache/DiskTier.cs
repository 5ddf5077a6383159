using Microsoft.Win32.SafeHandles;
using Sluice.Tensors.KvFormats;

namespace Sluice.Cache;

/// <summary>
/// Blocks that had to leave memory, in a file of fixed size that goes away with the process: where a model is large, reading one
/// costs a fraction of computing it again. They are found by what they hold; the longest unused make room for others.
/// </summary>
internal sealed class DiskTier : IDisposable
{
    private readonly IReadOnlyList<CacheGroup> _groups;
    private readonly SafeFileHandle _file;
    private readonly long _slotBytes; // a block of every group
    private readonly PrefixKey[] _keys; // of what each slot holds
    private readonly Dictionary<PrefixKey, int> _slots = [];
    private readonly BlockList _used; // slots, the longest unused first

    /// <param name="groups">The groups; all of them keep all positions.</param>
    /// <param name="bytes">The most that the file may take, in the system's folder for temporary files.</param>
    /// <exception cref="IOException">The disk has no room for it.</exception>
    public DiskTier(IReadOnlyList<CacheGroup> groups, long bytes)
    {
        _groups = groups;
        _slotBytes = groups.Sum(group => KvStore.BlockBytes(group.Store.Format, group.Store.Shape));
        int count = (int)Math.Min(bytes / _slotBytes, int.MaxValue - 1);
        if (count == 0)
            throw new InvalidOperationException($"A cache block has {_slotBytes:N0} bytes; {bytes:N0} bytes of disk hold none.");
        (_keys, _used) = (new PrefixKey[count], new BlockList(count));
        string path = Path.Combine(Path.GetTempPath(), $"sluice-kv-{Guid.NewGuid():N}");
        // The room is taken now, so that a full disk is noticed before anybody relies on it.
        _file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose, count * _slotBytes);
        if (!OperatingSystem.IsWindows())
            File.Delete(path); // the handle keeps it, and nothing is left even where this process is killed
    }

    /// <summary>Blocks that were written, and those that were read.</summary>
    public long Writes { get; private set; }

    public long Reads { get; private set; }

    public bool Contains(PrefixKey key) => _slots.ContainsKey(key);

    /// <summary>Keeps a block of every group.</summary>
    public void Save(PrefixKey key, ReadOnlySpan<int> blocks)
    {
        if (_slots.TryGetValue(key, out int slot))
        {
            _used.Remove(slot);
            _used.Append(slot);
            return; // what has the same key is the same
        }
        slot = _used.Count;
        if (slot == _keys.Length)
        {
            slot = _used.First;
            _used.Remove(slot);
            _slots.Remove(_keys[slot]);
        }
        long offset = slot * _slotBytes;
        for (int g = 0; g < blocks.Length; g++)
        {
            Span<byte> bytes = _groups[g].Store.Block(blocks[g]);
            RandomAccess.Write(_file, bytes, offset);
            offset += bytes.Length;
        }
        _keys[slot] = key;
        _slots.Add(key, slot);
        _used.Append(slot);
        Writes++;
    }

    /// <summary>Reads a block of every group.</summary>
    /// <returns>Whether it is here.</returns>
    public bool TryLoad(PrefixKey key, ReadOnlySpan<int> blocks)
    {
        if (!_slots.TryGetValue(key, out int slot))
            return false;
        long offset = slot * _slotBytes;
        for (int g = 0; g < blocks.Length; g++)
        {
            Span<byte> rest = _groups[g].Store.Block(blocks[g]);
            while (rest.Length > 0)
            {
                int count = RandomAccess.Read(_file, rest, offset);
                if (count == 0)
                    throw new EndOfStreamException("The file of cache blocks has become shorter.");
                rest = rest[count..];
                offset += count;
            }
        }
        _used.Remove(slot);
        _used.Append(slot);
        Reads++;
        return true;
    }

    public void Dispose() => _file.Dispose();
}
