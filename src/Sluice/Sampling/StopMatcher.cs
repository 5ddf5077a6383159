namespace Sluice.Sampling;

/// <summary>
/// Watches a streamed text for stop strings, wherever the pieces are cut. The stop that is complete first wins, and of those
/// that are complete at the same character the longest; the text ends where it begins. What comes out does not depend on how
/// the text was cut.
/// </summary>
/// <remarks>
/// Each stop has an automaton of Knuth, Morris and Pratt (1977), whose state is how many of its characters the text ends with.
/// The largest state is what must be held back, and being the beginning of a stop it needs no buffer.
/// </remarks>
public sealed class StopMatcher
{
    private readonly string[] _stops;
    private readonly int[][] _borders; // [i][n]: the longest proper prefix of stop i that ends its first n characters
    private readonly int[] _matched;
    private int _longest = -1;

    /// <summary>A matcher at the start of a text.</summary>
    /// <param name="stops">Stop strings; none is fine.</param>
    /// <exception cref="ArgumentException">A stop string is empty.</exception>
    public StopMatcher(IEnumerable<string> stops)
    {
        _stops = [.. stops];
        if (_stops.Any(string.IsNullOrEmpty))
            throw new ArgumentException("A stop string is empty.", nameof(stops));
        _borders = Array.ConvertAll(_stops, Borders);
        _matched = new int[_stops.Length];
    }

    /// <summary>The stop string that ended the text, or null.</summary>
    public string? Stop { get; private set; }

    /// <summary>Whether the text has ended.</summary>
    public bool IsStopped => Stop is not null;

    private ReadOnlySpan<char> Held => _longest < 0 ? [] : _stops[_longest].AsSpan(0, _matched[_longest]);

    /// <summary>Takes in the next piece of text.</summary>
    /// <returns>
    /// What can be shown now: all but what may be the beginning of a stop string. Where a stop string was found, all that is
    /// left before it; nothing after that.
    /// </returns>
    public string Append(string text)
    {
        if (IsStopped)
            return "";
        if (_stops.Length == 0)
            return text;
        ReadOnlySpan<char> before = Held;
        for (int i = 0; i < text.Length; i++)
        {
            Advance(text[i]);
            if (_longest < 0 || _matched[_longest] < _stops[_longest].Length)
                continue;
            Stop = _stops[_longest];
            _longest = -1;
            return Show(before, text.AsSpan(0, i + 1), Stop.Length);
        }
        return before.IsEmpty && _longest < 0 ? text : Show(before, text, Held.Length);
    }

    /// <summary>The text has ended otherwise.</summary>
    /// <returns>What was held back.</returns>
    public string Flush()
    {
        string held = Held.ToString();
        Array.Clear(_matched);
        _longest = -1;
        return held;
    }

    private void Advance(char c)
    {
        int completed = -1;
        _longest = -1;
        for (int s = 0; s < _stops.Length; s++)
        {
            string stop = _stops[s];
            int state = _matched[s];
            while (state > 0 && stop[state] != c)
                state = _borders[s][state];
            if (stop[state] == c)
                state++;
            _matched[s] = state;
            if (state > 0 && (_longest < 0 || state > _matched[_longest]))
                _longest = s;
            if (state == stop.Length && (completed < 0 || state > _matched[completed]))
                completed = s;
        }
        if (completed >= 0)
            _longest = completed;
    }

    private static string Show(ReadOnlySpan<char> before, ReadOnlySpan<char> text, int withheld)
    {
        int shown = before.Length + text.Length - withheld;
        return shown <= before.Length ? before[..shown].ToString() : string.Concat(before, text[..(shown - before.Length)]);
    }

    private static int[] Borders(string stop)
    {
        int[] border = new int[stop.Length + 1];
        for (int n = 1, state = 0; n < stop.Length; n++)
        {
            while (state > 0 && stop[state] != stop[n])
                state = border[state];
            if (stop[state] == stop[n])
                state++;
            border[n + 1] = state;
        }
        return border;
    }
}
