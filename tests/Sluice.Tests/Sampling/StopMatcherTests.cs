using CsCheck;
using Sluice.Sampling;

namespace Sluice.Tests.Sampling;

public class StopMatcherTests
{
    [Theory]
    [InlineData("hello world", "hello world", null, "xyz")]
    [InlineData("hello world", "hello ", "wor", "wor")]
    [InlineData("hello", "", "hello", "hello")]
    [InlineData("aaab", "a", "aab", "aab")]
    [InlineData("abababac", "ab", "ababac", "ababac")] // falls back within the stop
    [InlineData("one two", "one ", "t", "t|two")] // complete first
    [InlineData("xabcd", "xa", "bc", "abcde|bc")] // inside a longer beginning
    [InlineData("xabc", "x", "abc", "bc|abc|c")] // together: the longest
    [InlineData("end\nUser", "end", "\nUser", "\nUser|User:")]
    [InlineData("partial st", "partial st", null, "stop")]
    public void Ends_before_the_stop(string text, string expected, string? stop, string stops)
    {
        (string shown, StopMatcher matcher) = Feed(stops.Split('|'), [text]);
        Assert.Equal(expected, shown);
        Assert.Equal(stop, matcher.Stop);
    }

    [Fact]
    public void Holds_back_no_more_than_a_possible_beginning()
    {
        StopMatcher matcher = new(["stop", "halt!"]);
        Assert.Equal("a ", matcher.Append("a s"));
        Assert.Equal("", matcher.Append("to"));
        Assert.Equal("stor", matcher.Append("r"));
        Assert.Equal("", matcher.Append("hal"));
        Assert.Equal("hal", matcher.Append("stop this"));
        Assert.True(matcher.IsStopped);
        Assert.Equal("", matcher.Append("more"));
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Gives_back_what_it_held_at_the_end()
    {
        StopMatcher matcher = new(["stop"]);
        Assert.Equal("a ", matcher.Append("a sto"));
        Assert.Equal("sto", matcher.Flush());
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Without_stops_text_passes_through()
    {
        string text = new('x', 3);
        Assert.Same(text, new StopMatcher([]).Append(text));
        Assert.Throws<ArgumentException>(() => new StopMatcher(["a", ""]));
    }

    [Fact]
    public void Any_cuts_give_what_a_plain_search_gives() =>
        Gen.Select(Gen.String[Gen.Char["ab"], 0, 40], Gen.String[Gen.Char["ab"], 1, 5].Array[0, 4], Gen.Int[0, 40].Array[0, 12])
            .Sample(
                (text, stops, cuts) =>
                {
                    int[] at = [0, .. cuts.Select(cut => Math.Min(cut, text.Length)).Order(), text.Length];
                    IEnumerable<string> pieces = at.Zip(at.Skip(1), (from, to) => text[from..to]);
                    (string shown, StopMatcher matcher) = Feed(stops, pieces);
                    (string expected, string? stop) = Plain(text, stops);
                    return shown == expected && matcher.Stop == stop;
                },
                iter: 20_000);

    private static (string Shown, StopMatcher Matcher) Feed(string[] stops, IEnumerable<string> pieces)
    {
        StopMatcher matcher = new(stops);
        string shown = "";
        foreach (string piece in pieces)
            shown += matcher.Append(piece);
        return (shown + matcher.Flush(), matcher);
    }

    /// <summary>The longest of the stops that are complete first.</summary>
    private static (string Text, string? Stop) Plain(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string? stop = stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(stop => stop.Length);
            if (stop is not null)
                return (text[..(end - stop.Length)], stop);
        }
        return (text, null);
    }
}
