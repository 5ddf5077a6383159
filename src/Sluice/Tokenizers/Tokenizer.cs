using System.Buffers;
using System.Text;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers;

/// <summary>
/// Text to token ids and back. A tokenizer is made from a model's files, does not change, and may be used by several threads at
/// once.
/// </summary>
public abstract partial class Tokenizer
{
    private readonly TokenTable _table;
    private readonly PrefixTable _userDefined;
    private readonly PrefixTable _allSpecial;

    private protected Tokenizer(TokenTable table)
    {
        _table = table;
        List<int> userDefined = [];
        List<int> special = [];
        for (int id = 0; id < table.Count; id++)
        {
            if (table.Types[id] is TokenType.UserDefined)
                userDefined.Add(id);
            if (table.Types[id] is TokenType.UserDefined or TokenType.Control or TokenType.Unknown)
                special.Add(id);
        }
        _userDefined = new(table.Texts, userDefined);
        _allSpecial = new(table.Texts, special);
    }

    /// <summary>How many tokens there are. Ids are 0 to this, exclusive.</summary>
    public int VocabularySize => _table.Count;

    /// <summary>The token that marks the beginning of a text, if there is one.</summary>
    public int? BosId => _table.Bos;

    /// <summary>The token that marks the end of a text, if there is one.</summary>
    public int? EosId => _table.Eos;

    /// <summary>The token for text that no other covers, if there is one.</summary>
    public int? UnknownId => _table.Unknown;

    /// <summary>The token that fills up batches, if there is one.</summary>
    public int? PaddingId => _table.Padding;

    /// <summary>
    /// The tokens after which a model has no more to say: end of text, turn or message, by the model's metadata and by the names
    /// that are well known (<c>&lt;|eot_id|&gt;</c>, <c>&lt;|im_end|&gt;</c>, ...).
    /// </summary>
    public IReadOnlySet<int> EndOfGeneration => _table.EndOfGeneration;

    /// <summary>Whether <see cref="Encode(ReadOnlySpan{char}, bool, bool)"/> begins a text with <see cref="BosId"/>.</summary>
    public bool AddsBos => _table.Prefix.Length > 0 && _table.Prefix[0] == _table.Bos;

    /// <summary><see cref="BosId"/> where texts begin with it; else null.</summary>
    public int? StartId => AddsBos ? BosId : null;

    /// <summary>Whether decoding takes a leading space away, which encoding put there.</summary>
    internal bool StripsLeadingSpace => _table.StripsLeadingSpace;

    private protected TokenTable Table => _table;

    /// <summary>The tokens of a text.</summary>
    /// <param name="text">Any text; halves of surrogate pairs are read as U+FFFD.</param>
    /// <param name="addSpecial">Whether the tokens that the model wants at the beginning and the end are added.</param>
    /// <param name="parseSpecial">
    /// Whether control tokens written in the text (<c>&lt;|im_end|&gt;</c>) are read as such: right for rendered chat templates,
    /// wrong for what users write. Tokens of type <see cref="TokenType.UserDefined"/> are always recognised.
    /// </param>
    public int[] Encode(ReadOnlySpan<char> text, bool addSpecial = true, bool parseSpecial = false)
    {
        List<int> tokens = new((text.Length / 4) + 8);
        Encode(text, tokens, addSpecial, parseSpecial);
        return [.. tokens];
    }

    /// <summary>Appends the tokens of a text; parameters as above.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> output, bool addSpecial = true, bool parseSpecial = false)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        try
        {
            int length = Encoding.UTF8.GetBytes(text, buffer);
            if (addSpecial)
                output.AddRange(_table.Prefix);
            EncodeBetweenSpecial(buffer.AsSpan(0, length), parseSpecial ? _allSpecial : _userDefined, output);
            if (addSpecial)
                output.AddRange(_table.Suffix);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The text of tokens.</summary>
    /// <param name="tokens">Ids.</param>
    /// <param name="skipSpecial">Whether control and unknown tokens are left out, or written by their names.</param>
    /// <returns>The text; bytes that make no character are U+FFFD.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> tokens, bool skipSpecial = true)
    {
        StreamingDetokenizer detokenizer = new(this, skipSpecial);
        StringBuilder text = new(tokens.Length * 4);
        foreach (int token in tokens)
            text.Append(detokenizer.Next(token));
        return text.Append(detokenizer.Flush()).ToString();
    }

    /// <summary>The bytes of text that a token stands for: perhaps only some of a character's; special tokens' names.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public ReadOnlySpan<byte> Piece(int id) => _table.Pieces[id];

    /// <summary><see cref="Piece"/> as text, with U+FFFD for parts of characters.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string PieceText(int id) => _table.Pieces.Text(id);

    /// <summary>A token as the vocabulary writes it (<c>Ġhello</c>, <c>▁hello</c>, <c>&lt;0x0A&gt;</c>).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string TokenText(int id) => _table.Texts.Text(id);

    /// <summary>The id of the token that the vocabulary writes so.</summary>
    public bool TryGetId(string tokenText, out int id)
    {
        id = _table.Map.Find(Encoding.UTF8.GetBytes(tokenText));
        return id >= 0;
    }

    /// <summary>What a token is.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public TokenType TypeOf(int id)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)id, (uint)_table.Count, nameof(id));
        return _table.Types[id];
    }

    /// <summary>Whether a token is a control token or the unknown token: what no reader of a text should see.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public bool IsSpecial(int id) => TypeOf(id) is TokenType.Control or TokenType.Unknown;

    /// <summary>Whether a token is one of <see cref="EndOfGeneration"/>.</summary>
    public bool IsEndOfGeneration(int id) => _table.EndOfGeneration.Contains(id);

    /// <summary>Appends the tokens of a part of a text that has no special tokens in it.</summary>
    /// <param name="text">Valid UTF-8, not empty.</param>
    /// <param name="isStart">Whether it is the text's beginning (not what follows a special token).</param>
    /// <param name="output">The tokens.</param>
    private protected abstract void EncodePart(ReadOnlySpan<byte> text, bool isStart, List<int> output);

    private void EncodeBetweenSpecial(ReadOnlySpan<byte> text, PrefixTable special, List<int> output)
    {
        int start = 0; // of the part that no special token was found in yet
        int position = 0;
        bool isStart = true;
        while (position < text.Length && (position = special.NextCandidate(text, position)) >= 0)
        {
            int token = special.Longest(text[position..]);
            if (token < 0)
            {
                position++;
                continue;
            }
            int end = position;
            if (_table.StripsLeft.Contains(token))
            {
                while (end > start && IsSpace(text[end - 1]))
                    end--;
            }
            if (end > start)
                EncodePart(text[start..end], isStart, output);
            output.Add(token);
            isStart = false;
            position += _table.Texts[token].Length;
            if (_table.StripsRight.Contains(token))
            {
                while (position < text.Length && IsSpace(text[position]))
                    position++;
            }
            start = position;
        }
        if (start < text.Length)
            EncodePart(text[start..], isStart, output);
    }

    // ASCII alone, as C's isspace has it in the engines whose tokens these are.
    private static bool IsSpace(byte b) => b < 0x80 && Utf8Char.IsSpace(b);
}
