namespace Sluice.Grammars;

/// <summary>
/// The grammars that were used last, by what they were made of: clients send the same schema with every request, and what was
/// computed of a grammar (the masks of its states) is kept with it.
/// </summary>
public sealed class GrammarCache
{
    private const int Most = 32;

    private readonly LinkedList<(string Key, Grammar Grammar)> _used = new(); // the last used first
    private readonly Dictionary<string, LinkedListNode<(string Key, Grammar Grammar)>> _byKey = new(StringComparer.Ordinal);

    /// <summary>A grammar, made only if it is not there.</summary>
    /// <param name="kind">What kind of text it is.</param>
    /// <param name="text">The text.</param>
    /// <param name="make">Makes it.</param>
    /// <exception cref="GrammarException">It cannot be made.</exception>
    public Grammar Get(string kind, string text, Func<string, Grammar> make)
    {
        string key = kind + ":" + text;
        lock (_used)
        {
            if (_byKey.TryGetValue(key, out LinkedListNode<(string, Grammar Grammar)>? known))
            {
                _used.Remove(known);
                _used.AddFirst(known);
                return known.Value.Grammar;
            }
        }
        Grammar grammar = make(text); // which may take a while
        lock (_used)
        {
            if (!_byKey.ContainsKey(key))
                _byKey.Add(key, _used.AddFirst((key, grammar)));
            if (_used.Count > Most)
            {
                _byKey.Remove(_used.Last!.Value.Key);
                _used.RemoveLast();
            }
        }
        return grammar;
    }
}
