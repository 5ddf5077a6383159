using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Grammars;

/// <summary>A grammar for one vocabulary, with all that was computed of it: for any number of texts and threads.</summary>
internal sealed class CompiledGrammar
{
    private readonly Lock _lock = new();
    private readonly Automaton _automaton;
    private readonly Tokenizer _tokenizer;
    private readonly TokenTree _tree;
    private readonly TokenMasks _masks;

    public CompiledGrammar(Program program, Tokenizer tokenizer)
    {
        (_automaton, _tokenizer, _tree) = (new Automaton(program), tokenizer, TokenTree.Of(tokenizer));
        _masks = new TokenMasks(_automaton, _tree);
    }

    /// <summary>The state of the empty text.</summary>
    public State Start()
    {
        lock (_lock)
            return _automaton.Start();
    }

    /// <summary>Room for a mask: a bit for each token.</summary>
    public ulong[] Room() => new ulong[_tree.Words];

    /// <summary>The tokens that may come, a bit each.</summary>
    /// <param name="state">Where the text is.</param>
    /// <param name="room">Where to put them, unless they are there already.</param>
    public ReadOnlySpan<ulong> Mask(State state, ulong[] room)
    {
        TokenSet[] sets;
        lock (_lock)
            sets = _masks.Of(state);
        if (sets.Length == 1 && sets[0].Bits is { } bits)
            return bits;
        Array.Clear(room);
        foreach (TokenSet set in sets)
            set.AddTo(room);
        return room;
    }

    /// <summary>The state after a token; null after one that ends the text, dead after one that may not come.</summary>
    public State? Step(State state, int token)
    {
        TokenRole role = TokenTree.RoleOf(_tokenizer, token);
        if (role == TokenRole.End && state.IsEnd)
            return null;
        lock (_lock)
        {
            _automaton.Begin();
            if (role is TokenRole.Control or TokenRole.None or TokenRole.End)
                state = _automaton.Step(state, Expression.ControlMark);
            if (role is TokenRole.None or TokenRole.End)
                return _automaton.Step(state, Expression.ControlMark); // which no grammar has twice
            foreach (byte value in _tokenizer.Piece(token))
                state = _automaton.Step(state, value);
            return state;
        }
    }
}
