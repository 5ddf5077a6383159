namespace Sluice;

/// <summary>
/// How prompts share a step. The first in the order gets at least half, so that prompts end one after the other rather than all
/// late; the others share the rest equally, so that a long prompt holds nobody up.
/// </summary>
/// <remarks>
/// Of prompts that go on alike only the first is computed: the others wait, and find its blocks in the cache at the next step.
/// Of those whose rows' logits are wanted there is one in a step, since the work space is made for few logits.
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
            if (sequence.WillFindBlockOf(other) || (sequence.IsScored && other.IsScored))
                return;
        }
        _prompts.Add(sequence);
    }

    /// <summary>Sets everybody's <see cref="Sequence.Scheduled"/>.</summary>
    /// <param name="budget">The tokens to divide.</param>
    /// <param name="rows">The logits that there is room for beside one of each request.</param>
    public void Divide(int budget, int rows)
    {
        int Most(Sequence sequence) => sequence.IsScored ? Math.Min(rows, sequence.Pending) : sequence.Pending;
        if (_prompts.Count == 0)
            return;
        int forOthers = budget / 2, left = budget;
        for (int i = 1; i < _prompts.Count; i++)
        {
            // Rounded up: there may be fewer tokens than prompts, and those that come first go first.
            int share = (forOthers + _prompts.Count - i - 1) / (_prompts.Count - i);
            int given = Math.Min(share, Most(_prompts[i]));
            _prompts[i].Scheduled = given;
            forOthers -= given;
            left -= given;
        }
        foreach (Sequence sequence in _prompts) // what is left, from the first on
        {
            int more = Math.Min(left, Most(sequence) - sequence.Scheduled);
            sequence.Scheduled += more;
            left -= more;
        }
    }
}
