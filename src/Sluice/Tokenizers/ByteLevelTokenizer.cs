using System.Buffers;
using Sluice.Tokenizers.Bpe;
using Sluice.Tokenizers.PreTokenizers;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers;

/// <summary>
/// Byte-level BPE (GPT-2 and most since): a text is cut into words, and the bytes of each are merged. Every text has tokens, and
/// decoding gives back the same text.
/// </summary>
internal sealed class ByteLevelTokenizer : Tokenizer
{
    private readonly BpeModel _model;
    private readonly PreTokenizer[] _stages;
    private readonly bool _addSpace;
    private readonly bool _compose;

    /// <param name="table">The tokens.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="stages">How texts are cut into words.</param>
    /// <param name="ignoreMerges">Whether a word that is a token is that token, whatever merges would make of it.</param>
    /// <param name="addSpace">Whether a part of a text begins with a space, even if it does not.</param>
    /// <param name="compose">Whether texts are brought to normal form C first.</param>
    public ByteLevelTokenizer(
        TokenTable table, MergeTable merges, PreTokenizer[] stages, bool ignoreMerges,
        bool addSpace = false, bool compose = false)
        : base(table)
    {
        (_stages, _addSpace, _compose) = (stages, addSpace, compose);
        TokenMap? words = null;
        if (ignoreMerges)
        {
            words = new(table.Pieces);
            for (int id = 0; id < table.Count; id++)
            {
                if (table.Types[id] is TokenType.Normal or TokenType.UserDefined && table.Pieces[id].Length > 0)
                    words.Add(id);
            }
        }
        _model = new(new ByteAlphabet(table.Map, table.Unknown ?? -1), merges, words);
    }

    private protected override void EncodePart(ReadOnlySpan<byte> text, bool isStart, List<int> output)
    {
        byte[]? buffer = null;
        if (_compose && !NormalForm.IsComposed(text))
            text = NormalForm.Compose(text);
        if (_addSpace && text[0] != ' ')
        {
            buffer = ArrayPool<byte>.Shared.Rent(text.Length + 1);
            buffer[0] = (byte)' ';
            text.CopyTo(buffer.AsSpan(1));
            text = buffer.AsSpan(0, text.Length + 1);
        }
        BpeModel.Session session = _model.Rent();
        Pieces pieces = new(text, _stages);
        while (pieces.Next(out ReadOnlySpan<byte> word))
            session.Encode(word, output);
        _model.Return(session);
        if (buffer is not null)
            ArrayPool<byte>.Shared.Return(buffer);
    }
}
