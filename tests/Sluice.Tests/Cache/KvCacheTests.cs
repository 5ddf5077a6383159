using CsCheck;
using Sluice.Cache;
using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tests.Cache;

public class KvCacheTests
{
    private static readonly LayerCache[] Mixed =
    [
        new AttentionCache(2, 8, 8, Retention.Full),
        new AttentionCache(2, 8, 8, new Retention(40, 0)),
        new AttentionCache(2, 8, 8, Retention.Full),
        new AttentionCache(2, 8, 8, new Retention(40, 33)),
    ];

    [Fact]
    public void Layers_of_equal_rows_and_retention_share_a_group()
    {
        using KvCache cache = Create(Mixed);
        Assert.Equal([2, 1, 1], cache.Groups.Select(group => group.Store.Shape.Layers));
        Assert.Equal(cache.Attention(0).Store, cache.Attention(2).Store);
        Assert.NotEqual(cache.Attention(0).Index, cache.Attention(2).Index);
        Assert.NotEqual(cache.Attention(0).Store, cache.Attention(1).Store);
    }

    [Fact]
    public void Blocks_outside_the_window_go_back_and_sinks_stay()
    {
        using KvCache cache = Create(Mixed, context: 512);
        using SequenceCache sequence = cache.CreateSequence();
        for (int length = 1; length <= 512; length++)
        {
            Assert.True(sequence.TryReserve(1));
            sequence.Commit(1);
            cache.CheckIntegrity();
            Assert.Equal((length + 31) / 32, sequence.BlocksOf(0).Count());
            // The window of the next token covers 40 positions, so at most 3 blocks.
            Assert.True(sequence.BlocksOf(1).Count() <= 3);
            Assert.True(sequence.BlocksOf(2).Count() <= 5);
        }
        Batch batch = new();
        sequence.Begin(batch);
        int[][] tables = batch.Sequences[0].BlockTables;
        Assert.True(tables[2][0] >= 0 && tables[2][1] >= 0); // 33 sinks need two blocks
        Assert.Equal(-1, tables[2][2]);
        Assert.Equal(-1, tables[1][0]);
    }

    [Fact]
    public void A_full_pool_refuses_and_changes_nothing()
    {
        using KvCache cache = Create(Mixed, context: 64, sequences: 1);
        using SequenceCache a = cache.CreateSequence(), b = cache.CreateSequence();
        Assert.True(a.TryReserve(33));
        Assert.False(b.TryReserve(1));
        Assert.Equal(0, b.Length);
        cache.CheckIntegrity();
        a.Dispose();
        Assert.True(b.TryReserve(64));
        cache.CheckIntegrity();
    }

    [Fact]
    public void A_shared_block_is_copied_before_it_is_written()
    {
        using KvCache cache = Create([new AttentionCache(1, 8, 8, Retention.Full)]);
        using SequenceCache first = cache.CreateSequence();
        first.TryReserve(40);
        first.Commit(40);
        using SequenceCache second = first.Fork();
        Assert.Equal(first.BlocksOf(0), second.BlocksOf(0));
        Assert.True(second.TryReserve(1));
        cache.CheckIntegrity();
        Assert.Equal(first.BlocksOf(0).First(), second.BlocksOf(0).First());
        Assert.NotEqual(first.BlocksOf(0).Last(), second.BlocksOf(0).Last());
    }

    [Fact]
    public void A_released_block_is_reported_when_released_again()
    {
        BlockPool pool = new(2);
        Assert.True(pool.TryAllocate(out int block));
        pool.Release(block);
        Assert.Throws<InvalidOperationException>(() => pool.Release(block));
        Assert.Throws<InvalidOperationException>(() => pool.Retain(block));
        Assert.Throws<InvalidOperationException>(() => pool.CheckIntegrity([block]));
    }

    /// <summary>Random reserves, commits, cuts, forks and disposals keep the books right, and give every block back.</summary>
    [Fact]
    public void Books_stay_right_whatever_happens() => Gen.Select(Gen.Int[0, 4], Gen.Int[0, 7], Gen.Int[0, 70]).Array[1, 60].Sample(steps =>
    {
        using KvCache cache = Create(Mixed, context: 256, sequences: 3);
        List<SequenceCache> sequences = [];
        foreach ((int what, int which, int amount) in steps)
        {
            SequenceCache? sequence = sequences.Count == 0 ? null : sequences[which % sequences.Count];
            if (sequence is null || what == 0)
                sequences.Add(cache.CreateSequence());
            else if (what == 1 && sequence.TryReserve(amount))
                sequence.Commit(amount / 2); // half of what was reserved is taken back
            else if (what == 2 && sequence.CanTruncate(Math.Max(0, sequence.Length - amount)))
                sequence.Truncate(Math.Max(0, sequence.Length - amount));
            else if (what == 3)
                sequences.Add(sequence.Fork());
            else if (what == 4)
            {
                sequence.Dispose();
                sequences.Remove(sequence);
            }
            cache.CheckIntegrity();
        }
        foreach (SequenceCache sequence in sequences)
            sequence.Dispose();
        cache.CheckIntegrity();
        Assert.All(cache.Groups, group => Assert.Equal(group.Pool.Count, group.Pool.Free));
    });

    [Fact]
    public void A_context_that_does_not_fit_is_refused_with_both_sizes()
    {
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(
            () => KvPlan.Create(Mixed, KvFormats.Get("f32"), 1 << 20, 1, 512, 1 << 20));
        Assert.Contains("1,048,576", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_largest_context_fits_and_one_more_does_not()
    {
        KvFormat format = KvFormats.Get("f32");
        const long Memory = 3_000_000;
        int context = KvPlan.LargestContext(Mixed, format, 1 << 20, 16, Memory);
        Assert.True(KvPlan.Create(Mixed, format, context, 1, 16, Memory).Bytes <= Memory);
        Assert.Throws<InvalidOperationException>(() => KvPlan.Create(Mixed, format, context + 1, 1, 16, Memory));
    }

    private static KvCache Create(LayerCache[] layers, int context = 128, int sequences = 2) =>
        new(KvPlan.Create(layers, KvFormats.Get("f32"), context, sequences, 32, 1L << 30));
}
