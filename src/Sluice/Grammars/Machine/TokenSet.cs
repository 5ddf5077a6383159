using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Grammars.Machine;

/// <summary>Tokens: as a list where they are few (punctuation, digits), else as a bit for each token of the vocabulary.</summary>
internal sealed class TokenSet
{
    private readonly int[]? _tokens;

    /// <param name="bits">A bit for each token; copied.</param>
    public TokenSet(ReadOnlySpan<ulong> bits)
    {
        int count = 0;
        foreach (ulong word in bits)
            count += BitOperations.PopCount(word);
        if (count > bits.Length / 2)
        {
            Bits = bits.ToArray();
            return;
        }
        _tokens = new int[count];
        for (int i = 0, t = 0; t < count; i++)
        {
            for (ulong left = bits[i]; left != 0; left &= left - 1)
                _tokens[t++] = (i * 64) + BitOperations.TrailingZeroCount(left);
        }
    }

    /// <summary>A bit for each token; null where they are a list.</summary>
    public ulong[]? Bits { get; }

    public bool IsEmpty => _tokens is { Length: 0 };

    /// <summary>What it takes, in bytes.</summary>
    public long Bytes => (Bits?.Length * 8 ?? _tokens!.Length * 4) + 64;

    public void AddTo(Span<ulong> bits)
    {
        if (_tokens is not null)
        {
            foreach (int token in _tokens)
                bits[token >> 6] |= 1UL << (token & 63);
            return;
        }
        ReadOnlySpan<Vector256<ulong>> from = MemoryMarshal.Cast<ulong, Vector256<ulong>>(Bits);
        Span<Vector256<ulong>> to = MemoryMarshal.Cast<ulong, Vector256<ulong>>(bits);
        for (int i = 0; i < to.Length; i++)
            to[i] |= from[i];
        for (int i = to.Length * Vector256<ulong>.Count; i < bits.Length; i++)
            bits[i] |= Bits![i];
    }
}
