namespace Sluice.Tokenizers;

public class UnigramTests
{
    private static readonly (string Text, float Score)[] Tokens =
        [("<pad>", 0), ("</s>", 0), ("<unk>", 0), ("▁", -3), ("a", -2), ("b", -2), ("ab", -3), ("▁a", -2.5f), ("▁▁", -4)];

    [Fact]
    public void The_best_sum_wins_and_the_end_is_marked()
    {
        Tokenizer tokenizer = Create();
        // ▁a b: -4.5, ▁ ab: -6.
        Assert.Equal(["▁a", "b", "</s>"], Show(tokenizer, "ab"));
        Assert.Equal(["▁a", "▁▁", "b", "</s>"], Show(tokenizer, "a  b"));
        Assert.Equal(["▁", "<unk>", "a", "</s>"], Show(tokenizer, "中国a"));
        Assert.Equal("ab", tokenizer.Decode(tokenizer.Encode("ab")));
        Assert.Empty(tokenizer.Encode("", addSpecial: false));
    }

    [Fact]
    public void Spaces_are_merged_where_asked()
    {
        Tokenizer tokenizer = Create(mergeSpaces: true);
        Assert.Equal(["▁a", "▁", "b", "</s>"], Show(tokenizer, "  a   b  "));
    }

    [Fact]
    public void Characters_are_replaced_by_the_map()
    {
        Tokenizer tokenizer = Create(map: Map());
        Assert.Equal(["▁a", "b", "</s>"], Show(tokenizer, "Ab"));
        Assert.Equal(["▁a", "b", "</s>"], Show(tokenizer, "éb"));
        Assert.Equal(["▁", "<unk>", "b", "</s>"], Show(tokenizer, "\u00EAb")); // shares é's first byte
    }

    [Fact]
    public void Any_map_gives_tokens_or_is_refused()
    {
        Random random = new(7);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] map = Map();
            for (int changes = random.Next(1, 6); changes > 0; changes--)
                map[random.Next(4) == 0 ? random.Next(8) : random.Next(map.Length)] = (byte)random.Next(256);
            try
            {
                Create(map: map[..random.Next(map.Length / 2, map.Length + 1)]).Encode("Aéb A\0b中");
            }
            catch (InvalidDataException e)
            {
                Assert.Contains("tokenizer.ggml.precompiled_charsmap", e.Message);
            }
        }
    }

    private static string[] Show(Tokenizer tokenizer, string text) => [.. tokenizer.Encode(text).Select(tokenizer.TokenText)];

    private static Tokenizer Create(bool mergeSpaces = false, byte[]? map = null) => GgufTokenizer.Create(new()
    {
        Model = "t5",
        Tokens = new([.. Tokens.Select(token => token.Text)]),
        Scores = [.. Tokens.Select(token => token.Score)],
        Types = [3, 3, 2, 1, 1, 1, 1, 1, 1],
        Flags = new Dictionary<string, bool> { ["add_space_prefix"] = true, ["remove_extra_whitespaces"] = mergeSpaces },
        PrecompiledCharsMap = map,
    });

    // A double array of A (41) and é (C3 A9), both to a. A child lies at its parent's base xor its byte, a value at its own base.
    private static byte[] Map()
    {
        uint[] units = new uint[1024];
        const uint Root = 0x100, A = Root ^ 0x41, C3 = Root ^ 0xC3, Value1 = 0x300, A9 = C3 ^ 0x200 ^ 0xA9, Value2 = 0x301;
        units[0] = Root << 10;
        units[A] = 0x41 | 0x100 | ((A ^ Value1) << 10);
        units[C3] = 0xC3 | (0x200u << 10);
        units[A9] = 0xA9 | 0x100 | ((A9 ^ Value2) << 10);
        units[Value1] = units[Value2] = 0x80000000;
        return [.. BitConverter.GetBytes(units.Length * 4), .. units.SelectMany(BitConverter.GetBytes), (byte)'a', 0];
    }
}
