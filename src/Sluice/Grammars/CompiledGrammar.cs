using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Grammars;

/// <summary>A grammar for one vocabulary, with all that was computed of it: for any number of texts and threads.</summary>
internal sealed class CompiledGrammar(Automaton automaton, Tokenizer tokenizer)
{
    private readonly Lock _lock = new();
    private readonly TokenMasks _masks = new(automaton, TokenTree.Of(tokenizer));

    /// <summary>The state of the empty text.</summary>
    public State Start()
    {
        lock (_lock)
            return automaton.Start();
    }

    /// <summary>The tokens that may come, a bit each.</summary>
    public ulong[] Mask(State state)
    {
        lock (_lock)
            return _masks.Of(state);
    }

    /// <summary>The state after a token; null after one that ends the text, dead after one that may not come.</summary>
    public State? Step(State state, int token)
    {
        TokenRole role = TokenTree.RoleOf(tokenizer, token);
        if (role == TokenRole.End && state.IsEnd)
            return null;
        lock (_lock)
        {
            automaton.Begin();
            if (role is TokenRole.Control or TokenRole.None or TokenRole.End)
                state = automaton.Step(state, Expression.ControlMark);
            if (role is TokenRole.None or TokenRole.End)
                return automaton.Step(state, Expression.ControlMark); // which no grammar has twice
            foreach (byte value in tokenizer.Piece(token))
                state = automaton.Step(state, value);
            return state;
        }
    }
}
