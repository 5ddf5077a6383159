using Sluice.Tensors;

namespace Sluice;

/// <summary>
/// The adapters of an engine by name, and who uses them. One that is unloaded takes no new requests from then on; those that have it
/// go on undisturbed, and its memory is freed with the last of them.
/// </summary>
/// <remarks>Used under the lock of the engine's books.</remarks>
internal sealed class AdapterBook(Runner runner)
{
    private readonly Dictionary<string, Entry> _byName = new(StringComparer.Ordinal);

    /// <summary>The adapters that requests may ask for.</summary>
    public IReadOnlyList<AdapterInfo> All => [.. _byName.Values.Select(entry => entry.Info)];

    /// <summary>Adds one.</summary>
    /// <exception cref="ArgumentException">There is one of that name.</exception>
    public AdapterInfo Add(Adapter adapter, string path)
    {
        AdapterInfo info = new(adapter.Name, path, adapter.Rank, adapter.Bytes);
        if (!_byName.TryAdd(adapter.Name, new Entry(this, adapter, info)))
            throw new ArgumentException($"An adapter '{adapter.Name}' is loaded already.", "name");
        return info;
    }

    /// <summary>Takes a name away.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Remove(string name)
    {
        if (!_byName.Remove(name, out Entry? entry))
            return false;
        entry.Retire();
        return true;
    }

    /// <summary>Notes that a request has an adapter, until <see cref="Entry.Release"/>; null for a name of null.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public Entry? Use(string? name)
    {
        if (name is null)
            return null;
        if (!_byName.TryGetValue(name, out Entry? entry))
            throw new ArgumentException($"There is no adapter '{name}'.", "request");
        entry.Users++;
        return entry;
    }

    /// <summary>An adapter in use, perhaps no longer by name.</summary>
    internal sealed class Entry(AdapterBook book, Adapter adapter, AdapterInfo info)
    {
        private bool _isRetired;

        public Adapter Adapter => adapter;

        public AdapterInfo Info => info;

        public int Users { get; set; }

        /// <summary>A request that had it ended.</summary>
        public void Release()
        {
            Users--;
            Free();
        }

        public void Retire()
        {
            _isRetired = true;
            Free();
        }

        private void Free()
        {
            if (_isRetired && Users == 0)
                book.Unload(adapter);
        }
    }

    private void Unload(Adapter adapter) => runner.UnloadAdapter(adapter);
}

/// <summary>An adapter that is loaded.</summary>
/// <param name="Name">What requests call it.</param>
/// <param name="Path">Where it was loaded from.</param>
/// <param name="Rank">The largest rank of its updates.</param>
/// <param name="Bytes">The memory that it takes.</param>
public sealed record AdapterInfo(string Name, string Path, int Rank, long Bytes);
