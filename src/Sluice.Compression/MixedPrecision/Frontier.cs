namespace Sluice.Compression;

/// <summary>
/// The best assignments of types for every size: a choice for each tensor such that none that is as small has less loss. Losses add up, as
/// those of small errors do that have nothing to do with each other.
/// </summary>
/// <remarks>
/// Dynamic programming over the tensors (a multiple-choice knapsack): the states are sums of bytes and losses that no other state betters in
/// both, and each tensor extends each state by each of its choices. As tensors of a model have few sizes, few sums of bytes differ, and the
/// result is exact. Only where there are more states than <c>most</c> are those of about the same size thinned to the best of them; each
/// that is left still has its exact size.
/// </remarks>
public sealed class Frontier
{
    private readonly List<State[]> _steps = []; // after each tensor, the smallest first

    /// <summary>Finds all of them.</summary>
    /// <param name="choices">For each tensor the bytes and the loss of each choice, in any order.</param>
    /// <param name="most">The most states to keep after a tensor, 2 or more.</param>
    public Frontier(IEnumerable<IReadOnlyList<(long Bytes, double Loss)>> choices, int most = 1 << 15)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 2);
        State[] states = [new State(0, 0, 0, 0)];
        foreach (IReadOnlyList<(long Bytes, double Loss)> own in choices)
        {
            states = Thin(Extend(states, own), most);
            _steps.Add(states);
        }
        Points = [.. states.Select(state => (state.Bytes, state.Loss))];
    }

    /// <summary>The sizes and losses: the smallest first, each of less loss than the one before.</summary>
    public IReadOnlyList<(long Bytes, double Loss)> Points { get; }

    /// <summary>The number of each tensor's choice at a point.</summary>
    public int[] Choices(int point)
    {
        int[] choices = new int[_steps.Count];
        for (int tensor = choices.Length - 1; tensor >= 0; tensor--)
            (choices[tensor], point) = (_steps[tensor][point].Choice, _steps[tensor][point].Previous);
        return choices;
    }

    /// <summary>The best point of at most so many bytes; -1 if all have more.</summary>
    public int Within(long bytes)
    {
        int point = Points.Count - 1;
        while (point >= 0 && Points[point].Bytes > bytes)
            point--;
        return point;
    }

    /// <summary>The smallest point of at most so much loss; the largest of all if all have more.</summary>
    public int WithLoss(double loss)
    {
        int point = 0;
        while (point < Points.Count - 1 && Points[point].Loss > loss)
            point++;
        return point;
    }

    /// <summary>Some points, of about evenly spaced sizes from the smallest to the largest.</summary>
    /// <param name="count">How many, or less, 2 or more.</param>
    /// <param name="one">A point that is among them.</param>
    public IEnumerable<int> Sample(int count, int one)
    {
        long first = Points[0].Bytes, range = Points[^1].Bytes - first;
        return Enumerable.Range(0, count).Select(i => Within(first + (long)((Int128)range * i / (count - 1)))).Append(one).Distinct().Order();
    }

    /// <summary>All sums of a state and a choice that no other betters, merged from a sorted list for each choice.</summary>
    private static List<State> Extend(State[] states, IReadOnlyList<(long Bytes, double Loss)> choices)
    {
        int[] next = new int[choices.Count];
        List<State> result = [];
        while (true)
        {
            State best = default;
            bool isFound = false;
            for (int choice = 0; choice < next.Length; choice++)
            {
                if (next[choice] == states.Length)
                    continue;
                ref readonly State from = ref states[next[choice]];
                State candidate = new(from.Bytes + choices[choice].Bytes, from.Loss + choices[choice].Loss, next[choice], choice);
                if (!isFound || candidate.Bytes < best.Bytes || (candidate.Bytes == best.Bytes && candidate.Loss < best.Loss))
                    (best, isFound) = (candidate, true);
            }
            if (!isFound)
                return result;
            next[best.Choice]++;
            if (result.Count == 0 || best.Loss < result[^1].Loss)
                result.Add(best);
        }
    }

    /// <summary>The best of every stretch of sizes, and the smallest of all.</summary>
    private static State[] Thin(List<State> states, int most)
    {
        if (states.Count <= most)
            return [.. states];
        List<State> kept = [states[0]];
        long first = states[0].Bytes, range = states[^1].Bytes - first;
        for (int i = 1; i < states.Count; i++)
        {
            if (i == states.Count - 1 || Stretch(states[i]) != Stretch(states[i + 1]))
                kept.Add(states[i]);
        }
        return [.. kept];

        long Stretch(in State state) => (long)((Int128)(state.Bytes - first) * (most - 1) / (range + 1));
    }

    /// <param name="Bytes">Of the tensors so far.</param>
    /// <param name="Loss">Likewise.</param>
    /// <param name="Previous">The state before the last of them.</param>
    /// <param name="Choice">Its choice.</param>
    private readonly record struct State(long Bytes, double Loss, int Previous, int Choice);
}
