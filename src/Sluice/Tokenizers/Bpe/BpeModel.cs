using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Sluice.Tokenizers.Bpe;

/// <summary>From a word's bytes to its tokens: a cache, then the alphabet's symbols, then merges.</summary>
/// <param name="alphabet">The symbols that merging begins with.</param>
/// <param name="merges">The merges.</param>
/// <param name="wholeWords">Words that are one token whatever the merges make of them (ignore_merges), or null.</param>
internal sealed class BpeModel(Alphabet alphabet, MergeTable merges, TokenMap? wholeWords = null)
{
    // What one thread needs while it encodes.
    private readonly ConcurrentBag<Session> _idle = [];

    /// <summary>Takes what encoding needs; <see cref="Return"/> gives it back for another text.</summary>
    public Session Rent() => _idle.TryTake(out Session? session) ? session : new(this);

    public void Return(Session session)
    {
        if (session.IsSmall)
            _idle.Add(session);
    }

    internal sealed class Session(BpeModel model)
    {
        private readonly WordCache _cache = new();
        private readonly Merger _merger = new(model.Merges);

        /// <summary>Whether no word made its buffers larger than is worth keeping.</summary>
        public bool IsSmall => _merger.Capacity <= 1 << 16;

        /// <summary>Appends the tokens of a word that is not empty.</summary>
        public void Encode(ReadOnlySpan<byte> word, List<int> output)
        {
            bool isShort = word.Length <= WordCache.MaxBytes;
            uint hash = 0;
            if (isShort)
            {
                hash = ByteHash.Of(word);
                if (_cache.TryGet(word, hash, out ReadOnlySpan<int> known))
                {
                    output.AddRange(known);
                    return;
                }
            }
            int start = output.Count;
            EncodeNew(word, output);
            int count = output.Count - start;
            if (isShort && count <= WordCache.MaxTokens)
                _cache.Set(word, hash, CollectionsMarshal.AsSpan(output)[start..]);
        }

        private void EncodeNew(ReadOnlySpan<byte> word, List<int> output)
        {
            if (model.WholeWords?.Find(word) is { } whole && whole >= 0)
            {
                output.Add(whole);
                return;
            }
            int count = model.Alphabet.Split(word, _merger.Symbols(word.Length));
            foreach (int symbol in _merger.Merge(count))
                model.Alphabet.Emit(symbol, output);
        }
    }

    private Alphabet Alphabet => alphabet;

    private MergeTable Merges => merges;

    private TokenMap? WholeWords => wholeWords;
}
