namespace Sluice;

/// <summary>
/// How prompts share a step. The first in the order gets at least half, so that prompts end one after the other rather than all
/// late; the others share the rest equally, so that a long prompt holds nobody up.
/// </summary>
/// <remarks>
/// Of prompts that go on alike only the first is computed: the others wait, and find its blocks in the cache at the next step.
/// </remarks>
internal sealed class PromptShares
{
    private readonly List<Sequence> _prompts = [];

    public void Clear() => _prompts.Clear();

    /// <summary>Adds a request with more than one pending token; in the policy's order.</summary>
    public void Add(Sequence sequence)
    {
        foreach (Sequence other in _prompts)
        {
            if (sequence.WillFindBlockOf(other))
                return;
        }
        _prompts.Add(sequence);
    }

    /// <summary>Sets everybody's <see cref="Sequence.Scheduled"/>.</summary>
    /// <param name="budget">The tokens to divide.</param>
    public void Divide(int budget)
    {
        if (_prompts.Count == 0)
            return;
        int forOthers = budget / 2, left = budget;
        for (int i = 1; i < _prompts.Count; i++)
        {
            // Rounded up: there may be fewer tokens than prompts, and those that come first go first.
            int share = (forOthers + _prompts.Count - i - 1) / (_prompts.Count - i);
            int given = Math.Min(share, _prompts[i].Pending);
            _prompts[i].Scheduled = given;
            forOthers -= given;
            left -= given;
        }
        foreach (Sequence sequence in _prompts) // what is left, from the first on
        {
            int more = Math.Min(left, sequence.Pending - sequence.Scheduled);
            sequence.Scheduled += more;
            left -= more;
        }
    }
}
