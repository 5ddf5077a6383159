using CsCheck;

namespace Sluice.Tokenizers;

public class StreamingTests
{
    private static readonly Tokenizer SentencePiece = GgufTokenizer.Create(Vocabularies.SentencePiece(
        [("▁", -1), ("▁a", -2), ("中", -3), ("▁😀", -4)], userDefined: ["<|x|>"]));

    private static readonly Tokenizer ByteLevel = GgufTokenizer.Create(Vocabularies.ByteLevel(["ð Ł", "ðŁ ĺ"], control: ["<|end|>"]));

    [Fact]
    public void Parts_make_up_the_whole() => Gen.Select(Gen.Bool, Gen.Bool, Gen.Int[0, 1000].Array[0, 30]).Sample((bytes, skip, ids) =>
    {
        Tokenizer tokenizer = bytes ? ByteLevel : SentencePiece;
        int[] tokens = [.. ids.Select(id => id % tokenizer.VocabularySize)];
        StreamingDetokenizer stream = new(tokenizer, skip);
        string text = "";
        foreach (int token in tokens)
        {
            string part = stream.Append(token);
            Assert.True(part.Length == 0 || (!char.IsHighSurrogate(part[^1]) && !char.IsLowSurrogate(part[0])));
            text += part;
        }
        Assert.Equal(tokenizer.Decode(tokens, skip), text + stream.Flush());
    });

    [Fact]
    public void A_character_comes_when_it_is_whole()
    {
        int[] tokens = ByteLevel.Encode("x😀é");
        StreamingDetokenizer stream = new(ByteLevel);
        List<string> parts = [.. tokens.Select(stream.Append)];
        Assert.Equal(["x", "", "😀", "", "é"], parts);
        Assert.Equal("", stream.Flush());
    }

    [Fact]
    public void An_incomplete_end_is_replaced_at_the_end()
    {
        StreamingDetokenizer stream = new(ByteLevel);
        Assert.Equal("", stream.Append(0xF0));
        Assert.Equal("", stream.Append(0x9F));
        Assert.Equal("\uFFFD", stream.Flush());
    }

    [Fact]
    public void Only_a_beginning_loses_its_space()
    {
        int[] tokens = SentencePiece.Encode("a a", addSpecial: false);
        StreamingDetokenizer beginning = new(SentencePiece);
        StreamingDetokenizer continuation = new(SentencePiece, isContinuation: true);
        Assert.Equal("a a", string.Concat(tokens.Select(beginning.Append)));
        Assert.Equal(" a a", string.Concat(tokens.Select(continuation.Append)));
    }

    [Fact]
    public void Nothing_is_allocated_for_spans()
    {
        int[] tokens = ByteLevel.Encode("hello 😀 world");
        StreamingDetokenizer stream = new(ByteLevel);
        foreach (int token in tokens)
            stream.Next(token);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (int token in tokens)
            stream.Next(token);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void Ids_beyond_the_vocabulary_are_refused(int id)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteLevel.Decode([id]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamingDetokenizer(ByteLevel).Append(id));
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteLevel.PieceText(id));
    }
}
