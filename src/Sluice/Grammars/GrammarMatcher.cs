using Sluice.Grammars.Machine;

namespace Sluice.Grammars;

/// <summary>Follows one text, token by token, along its grammar.</summary>
internal sealed class GrammarMatcher(CompiledGrammar grammar)
{
    private readonly ulong[] _mask = grammar.Room();
    private State? _state = grammar.Start(); // null behind a token that ended the text

    /// <summary>Whether the text is complete: nothing can follow.</summary>
    public bool IsComplete => _state is null or { IsEnd: true, Active.Length: 0 };

    /// <summary>Whether the text may end here.</summary>
    public bool CanEnd => _state is null or { IsEnd: true };

    /// <summary>The tokens that may come next, a bit each; valid until the next token.</summary>
    /// <exception cref="InvalidOperationException">There is none, or the grammar is too ambiguous.</exception>
    public ReadOnlySpan<ulong> Allowed
    {
        get
        {
            ReadOnlySpan<ulong> allowed = _state is null ? [] : grammar.Mask(_state, _mask);
            return allowed.ContainsAnyExcept(0UL) ? allowed
                : throw new InvalidOperationException("The vocabulary has no token that goes on as the grammar wants.");
        }
    }

    /// <summary>Whether a token may come next: what <see cref="Allowed"/> says, found by its bytes.</summary>
    public bool Allows(int token) => _state is not null && grammar.Step(_state, token) is null or { IsDead: false };

    /// <summary>Takes in a token that was chosen.</summary>
    /// <exception cref="InvalidOperationException">It may not come here.</exception>
    public void Accept(int token)
    {
        State? next = _state is null ? throw new InvalidOperationException("The text has ended.") : grammar.Step(_state, token);
        _state = next is null or { IsDead: false } ? next
            : throw new InvalidOperationException($"Token {token} does not go on as the grammar wants.");
    }
}
