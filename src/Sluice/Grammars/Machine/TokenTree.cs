using System.Runtime.CompilerServices;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Grammars.Machine;

/// <summary>
/// The tokens of a vocabulary by their bytes, as a tree: its nodes in the order in which one walks it, so that a whole subtree is
/// passed over by going to its end.
/// </summary>
internal sealed class TokenTree
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenTree> Trees = [];

    private TokenTree(Tokenizer tokenizer)
    {
        Size = tokenizer.VocabularySize;
        Ends = [.. tokenizer.EndOfGeneration.Order()];
        (byte[] Bytes, int Id)[] tokens = [.. Enumerable.Range(0, Size).Select(id => (Spelling(tokenizer, id), id)).Where(token => token.Item1.Length > 0)];
        Array.Sort(tokens, (x, y) => x.Bytes.AsSpan().SequenceCompareTo(y.Bytes));
        List<byte> labels = [0];
        List<int> depths = [0], firsts = [0], ends = [0];
        byte[] path = []; // of the token before; the nodes on it are open
        int[] open = new int[tokens.Length == 0 ? 1 : tokens.Max(token => token.Bytes.Length) + 1];
        for (int t = 0; t < tokens.Length; t++)
        {
            byte[] bytes = tokens[t].Bytes;
            int shared = path.AsSpan().CommonPrefixLength(bytes);
            for (int depth = path.Length; depth > shared; depth--)
                ends[open[depth]] = labels.Count;
            for (int depth = shared + 1; depth <= bytes.Length; depth++)
            {
                open[depth] = labels.Count;
                labels.Add(bytes[depth - 1]);
                depths.Add(depth);
                firsts.Add(t);
                ends.Add(0);
            }
            path = bytes;
        }
        for (int depth = path.Length; depth >= 0; depth--)
            ends[open[depth]] = labels.Count;
        firsts.Add(tokens.Length);
        (Labels, Depths, Firsts, SubtreeEnds) = ([.. labels], [.. depths], [.. firsts], [.. ends]);
        Tokens = [.. tokens.Select(token => token.Id)];
        Depth = open.Length - 1;
        Words = (Size + 63) / 64;
        Deepest = new int[labels.Count];
        int[] below = new int[Depth + 2]; // of each depth, what its nodes come to whose parent is not yet reached
        for (int node = labels.Count - 1; node >= 0; node--)
        {
            int depth = Depths[node];
            Deepest[node] = Math.Max(depth, below[depth + 1]);
            below[depth + 1] = 0;
            below[depth] = Math.Max(below[depth], Deepest[node]);
        }
    }

    /// <summary>How many tokens the vocabulary has, those that stand for no text included.</summary>
    public int Size { get; }

    /// <summary>How many words a bit for each token takes.</summary>
    public int Words { get; }

    /// <summary>The tokens that end a text.</summary>
    public int[] Ends { get; }

    /// <summary>The longest token's bytes.</summary>
    public int Depth { get; }

    /// <summary>Each node's byte; the first node is the root.</summary>
    public byte[] Labels { get; }

    /// <summary>Each node's distance from the root.</summary>
    public int[] Depths { get; }

    /// <summary>The greatest distance from the root in each node's subtree.</summary>
    public int[] Deepest { get; }

    /// <summary>Behind each node's subtree.</summary>
    public int[] SubtreeEnds { get; }

    /// <summary>Where in <see cref="Tokens"/> each node's tokens begin; they end where the next node's begin.</summary>
    public int[] Firsts { get; }

    /// <summary>Token ids.</summary>
    public int[] Tokens { get; }

    /// <summary>A tokenizer's tree, made once.</summary>
    public static TokenTree Of(Tokenizer tokenizer) => Trees.GetValue(tokenizer, static tokenizer => new TokenTree(tokenizer));

    /// <summary>
    /// What a token is to a grammar. Marks of chat formats (<c>&lt;|channel|&gt;</c>) that a vocabulary does not call control tokens
    /// are control tokens here.
    /// </summary>
    public static TokenRole RoleOf(Tokenizer tokenizer, int id)
    {
        if (tokenizer.IsEndOfGeneration(id))
            return TokenRole.End;
        ReadOnlySpan<byte> piece = tokenizer.Piece(id);
        TokenType type = tokenizer.TypeOf(id);
        if (type == TokenType.Control || (type == TokenType.UserDefined && piece.StartsWith("<|"u8) && piece.EndsWith("|>"u8)))
            return TokenRole.Control;
        // A token of the mark's byte is no part of any UTF-8.
        return piece.Length > 0 && type is TokenType.Normal or TokenType.UserDefined or TokenType.Byte && !piece.Contains(Expression.ControlMark)
            ? TokenRole.Text : TokenRole.None;
    }

    private static byte[] Spelling(Tokenizer tokenizer, int id) => RoleOf(tokenizer, id) switch
    {
        TokenRole.Text => tokenizer.Piece(id).ToArray(),
        TokenRole.Control => [Expression.ControlMark, .. tokenizer.Piece(id)],
        _ => [],
    };
}

/// <summary>What a token is to a grammar.</summary>
internal enum TokenRole
{
    /// <summary>It never may come.</summary>
    None,

    /// <summary>Its bytes.</summary>
    Text,

    /// <summary>Itself alone (<see cref="Expression.ControlToken"/>).</summary>
    Control,

    /// <summary>The end of the text.</summary>
    End,
}
