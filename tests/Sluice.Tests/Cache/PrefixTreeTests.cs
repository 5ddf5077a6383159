using System.Runtime.InteropServices;
using CsCheck;
using Sluice.Cache;
using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tests.Cache;

public class PrefixTreeTests
{
    private static readonly LayerCache[] Full = [new AttentionCache(1, 8, 8, Retention.Full)];
    private static readonly LayerCache[] TwoFullSizes = [.. Full, new AttentionCache(2, 8, 8, Retention.Full)];
    private static readonly LayerCache[] Mixed = [.. Full, new AttentionCache(1, 8, 8, new Retention(40, 0))];
    private static readonly LayerCache[] Windows = [new AttentionCache(1, 8, 8, new Retention(20, 0)), new AttentionCache(1, 8, 8, new Retention(70, 33))];
    private static readonly LayerCache[] TwoFull = [.. Full, new AttentionCache(2, 8, 8, Retention.Full), new AttentionCache(2, 8, 8, new Retention(64, 3))];

    [Fact]
    public void Whole_blocks_of_an_equal_beginning_are_reused()
    {
        using KvCache cache = Create(Full);
        int[] tokens = [.. Enumerable.Range(0, 100)];
        using (SequenceCache first = Run(cache, tokens))
            Assert.Equal(96, first.SharedLength);
        Assert.Equal(3, cache.Cached(0));
        using SequenceCache same = cache.CreateSequence();
        Assert.Equal(96, same.Reuse(tokens));
        Assert.Equal(0, cache.Cached(0));
        tokens[40] = 7;
        using SequenceCache other = cache.CreateSequence();
        Assert.Equal(32, other.Reuse(tokens));
        Assert.Equal(1, other.Held(0));
        cache.CheckIntegrity();
        Assert.Equal(0, other.Reuse(tokens));
    }

    [Fact]
    public void A_block_that_only_begins_alike_is_copied()
    {
        using KvCache cache = Create(Mixed);
        int[] tokens = [.. Enumerable.Range(0, 100)], others = [.. tokens[..75], .. Enumerable.Range(1000, 25)];
        Run(cache, tokens).Dispose();
        using SequenceCache fromTree = cache.CreateSequence();
        Assert.Equal(64, fromTree.Reuse(others));
        Assert.Equal(11, fromTree.ReusePart(others.AsSpan(64), null, 0));
        Assert.Equal((75, 64), (fromTree.Length, fromTree.SharedLength));
        cache.CheckIntegrity();
        Assert.Equal((0, 0), (fromTree.Reuse(others), fromTree.ReusePart(others.AsSpan(75), null, 0)));
        Assert.True(fromTree.TryReserve(15));
        fromTree.Commit(15, others);

        // One that is alongside has more than the tree, or less.
        foreach (int end in (int[])[82, 70])
        {
            int[] next = [.. others[..end], .. Enumerable.Range(2000, 100 - end)];
            using SequenceCache fromOther = cache.CreateSequence();
            Assert.Equal(64, fromOther.Reuse(next));
            Assert.True(fromOther.IsAlongside(fromTree));
            Assert.Equal(end - 64, fromOther.ReusePart(next.AsSpan(64), fromTree, end - 64));
            cache.CheckIntegrity();
        }
        // Without room nothing is copied, and nothing lost.
        using SequenceCache needy = cache.CreateSequence(), late = cache.CreateSequence();
        Assert.Equal(64, late.Reuse(others));
        Assert.True(needy.TryReserve(cache.Available(0) * 32));
        Assert.Equal(0, late.ReusePart(others.AsSpan(64), fromTree, 11));
        Assert.Equal(64, late.Length);
        cache.CheckIntegrity();
    }

    [Fact]
    public void Two_that_compute_the_same_share_its_blocks_afterwards()
    {
        using KvCache cache = Create(Mixed);
        int[] tokens = [.. Enumerable.Range(0, 64)];
        using SequenceCache first = cache.CreateSequence(), second = cache.CreateSequence();
        Assert.True(first.TryReserve(64) && second.TryReserve(64));
        int free = cache.Groups[0].Pool.Free;
        first.Commit(64, tokens);
        second.Commit(64, tokens);
        Assert.Equal(free + 2, cache.Groups[0].Pool.Free);
        Assert.Equal(first.BlocksOf(0), second.BlocksOf(0));
        cache.CheckIntegrity();
    }

    [Fact]
    public void The_longest_unused_leaf_goes_first()
    {
        using KvCache cache = Create(Full, context: 128, sequences: 1); // 4 blocks
        int[] old = [.. Enumerable.Range(0, 64)], recent = [.. Enumerable.Range(1000, 64)];
        Run(cache, old).Dispose();
        Run(cache, recent).Dispose();
        Assert.Equal(0, cache.Groups[0].Pool.Free);
        using SequenceCache needy = cache.CreateSequence();
        Assert.True(needy.TryReserve(32));
        Assert.Equal(1, cache.Evictions);
        cache.CheckIntegrity();
        using SequenceCache first = cache.CreateSequence(), second = cache.CreateSequence();
        Assert.Equal(32, first.Reuse(old)); // its end went, its beginning is still there
        Assert.Equal(64, second.Reuse(recent));
        Assert.False(needy.TryReserve(64)); // all is in use now
    }

    /// <summary>A windowed layer needs the last blocks only: without one of them, a shorter or a longer beginning may still do.</summary>
    [Fact]
    public void A_window_needs_its_own_blocks_alone()
    {
        using KvCache cache = Create(Mixed, context: 512, sequences: 2);
        int[] tokens = [.. Enumerable.Range(0, 256)];
        Run(cache, tokens, step: 16).Dispose();
        int held = cache.Cached(1);
        PrefixTree tree = cache.Prefixes!;
        for (int evicted = 0; evicted <= held; evicted++)
        {
            using SequenceCache other = cache.CreateSequence();
            int reused = other.Reuse(tokens);
            Assert.Equal(evicted >= held - 1 ? 0 : 256, reused); // those before the window's two went first
            Assert.True(other.Held(1) <= 2);
            Assert.Equal(reused / 32, other.Held(0));
            cache.CheckIntegrity();
            other.Dispose();
            if (evicted < held)
                Assert.True(tree.TryEvict(1));
        }
    }

    [Fact]
    public void A_recurrent_model_reuses_nothing()
    {
        using KvCache cache = Create([new RecurrentCache(16)]);
        int[] tokens = [.. Enumerable.Range(0, 100)];
        Run(cache, tokens).Dispose();
        using SequenceCache again = cache.CreateSequence();
        Assert.Equal((0, 0), (again.Reuse(tokens), again.SharedLength));
        cache.CheckIntegrity();
    }

    /// <summary>
    /// Whatever sequences of few different tokens do, the books stay right, and each position of each sequence is in a slot that
    /// was written for the same tokens.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_slot_holds_what_its_sequence_needs(int layers) =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 7], Gen.Int[1, 100], Gen.Int[0, 1]).Array[1, 80].Sample(
            steps => Play(steps, ((LayerCache[][])[Full, Mixed, Windows, TwoFull])[layers]), iter: 300);

    private static void Play((int What, int Which, int Amount, int Token)[] steps, LayerCache[] layers)
    {
        using KvCache cache = Create(layers, context: 320, sequences: 1);
        Slots slots = new(cache);
        List<(SequenceCache Cache, List<int> Tokens)> open = [];
        foreach ((int what, int which, int amount, int token) in steps)
        {
            if (open.Count == 0 || what == 0)
            {
                open.Add((cache.CreateSequence(), []));
            }
            else
            {
                (SequenceCache sequence, List<int> tokens) = open[which % open.Count];
                int count = Math.Min(amount, 320 - sequence.Length);
                if (what is 1 or 2 or 3 or 4)
                {
                    int[] all = [.. tokens, .. Enumerable.Repeat(token, 320)];
                    tokens.AddRange(all[tokens.Count..(tokens.Count + sequence.Reuse(all.AsSpan(0, 320)))]);
                    if (what is 2 or 3)
                    {
                        (SequenceCache? other, int alike) = open.Where(it => it.Cache != sequence && sequence.IsAlongside(it.Cache))
                            .Select(it => ((SequenceCache?)it.Cache, all.AsSpan(sequence.Length, 320 - sequence.Length).CommonPrefixLength([.. it.Tokens.Skip(sequence.Length)])))
                            .Where(it => it.Item2 > 0).DefaultIfEmpty().MaxBy(it => it.Item2);
                        tokens.AddRange(all[tokens.Count..(tokens.Count + sequence.ReusePart(all.AsSpan(sequence.Length, 320 - sequence.Length), other, alike))]);
                    }
                    count = Math.Min(count, 320 - sequence.Length);
                    if (sequence.TryReserve(count))
                    {
                        tokens.AddRange(Enumerable.Repeat(token, count));
                        slots.Write(sequence, tokens);
                        if (what == 4)
                            sequence.Commit(count);
                        else
                            sequence.Commit(count, [.. tokens]);
                    }
                }
                else if (what is 5 && sequence.CanTruncate(Math.Max(0, sequence.Length - amount)))
                {
                    sequence.Truncate(Math.Max(0, sequence.Length - amount));
                    tokens.RemoveRange(sequence.Length, tokens.Count - sequence.Length);
                }
                else if (what is 6)
                {
                    open.Add((sequence.Fork(), [.. tokens]));
                }
                else if (what >= 7)
                {
                    sequence.Dispose();
                    open.RemoveAt(which % open.Count);
                }
            }
            cache.CheckIntegrity();
            foreach ((SequenceCache sequence, List<int> tokens) in open)
            {
                Assert.Equal(sequence.Length, tokens.Count);
                slots.Check(sequence, tokens);
            }
        }
        foreach ((SequenceCache sequence, _) in open)
            sequence.Dispose();
        for (int g = 0; g < cache.Groups.Count; g++)
        {
            Assert.Equal(cache.Groups[g].Pool.Count, cache.Available(g));
            while (cache.Prefixes!.TryEvict(g))
                cache.CheckIntegrity();
            Assert.Equal(cache.Groups[g].Pool.Count, cache.Groups[g].Pool.Free);
        }
        Assert.True(cache.Prefixes!.Root.IsLeaf);
    }

    /// <summary>What each slot was written for: a hash of all tokens up to its own, in the memory of its block.</summary>
    private sealed class Slots(KvCache cache)
    {
        private readonly Batch _batch = new();

        /// <summary>Writes the reserved slots.</summary>
        public void Write(SequenceCache sequence, List<int> tokens) => Visit(sequence, tokens, sequence.Length, (g, block, slot, hash) => Block(g, block)[slot] = hash);

        public void Check(SequenceCache sequence, List<int> tokens) => Visit(sequence, tokens, 0, (g, block, slot, hash) => Assert.Equal(hash, Block(g, block)[slot]));

        private Span<ulong> Block(int g, int block) => MemoryMarshal.Cast<byte, ulong>(cache.Groups[g].Store.Block(block));

        private void Visit(SequenceCache sequence, List<int> tokens, int start, Action<int, int, int, ulong> visit)
        {
            _batch.Clear();
            sequence.Begin(_batch);
            int[][] tables = _batch.Sequences[0].BlockTables;
            ulong hash = 14695981039346656037;
            for (int i = 0; i < tokens.Count; i++)
            {
                hash = (hash ^ (ulong)(tokens[i] + 1)) * 1099511628211;
                for (int g = 0; g < tables.Length && i >= start; g++)
                {
                    if (tables[g][i / 32] >= 0)
                        visit(g, tables[g][i / 32], i % 32, hash);
                }
            }
        }
    }

    [Fact]
    public void Evicted_blocks_come_back_from_disk_as_they_were()
    {
        using KvCache cache = new(KvPlan.Create(TwoFullSizes, KvFormats.Get("f32"), 128, 1, 128, 1L << 30), keepsPrefixes: true, diskBytes: 1 << 20);
        int[] old = [.. Enumerable.Range(0, 100)], recent = [.. Enumerable.Range(1000, 128)];
        byte[][] before;
        using (SequenceCache first = cache.CreateSequence())
        {
            Assert.True(first.TryReserve(100));
            for (int g = 0; g < cache.Groups.Count; g++)
            {
                foreach (int block in first.BlocksOf(g))
                    new Random(block + g).NextBytes(cache.Groups[g].Store.Block(block));
            }
            first.Commit(100, old);
            before = Bytes(first);
        }
        Run(cache, recent).Dispose(); // takes all the blocks
        using SequenceCache again = cache.CreateSequence();
        Assert.Equal(0, again.Reuse(old));
        Assert.Equal(96, again.Load(old));
        Assert.Equal(before, Bytes(again));
        Assert.Equal(0, again.Load(old));
        cache.CheckIntegrity();

        byte[][] Bytes(SequenceCache sequence) => [.. Enumerable.Range(0, cache.Groups.Count)
            .SelectMany(g => sequence.BlocksOf(g).Take(3).Select(block => cache.Groups[g].Store.Block(block).ToArray()))];
    }

    [Fact]
    public void A_disk_tier_that_is_full_keeps_what_was_evicted_last()
    {
        using KvCache cache = new(KvPlan.Create(Full, KvFormats.Get("f32"), 128, 1, 128, 1L << 30), keepsPrefixes: true, diskBytes: 2 * 32 * 16 * 4);
        int[] old = [.. Enumerable.Range(0, 128)];
        Run(cache, old).Dispose();
        using (SequenceCache needy = cache.CreateSequence())
            Assert.True(needy.TryReserve(128));
        Assert.Equal(4, cache.Disk!.Writes);
        using SequenceCache again = cache.CreateSequence();
        Assert.Equal(64, again.Load(old)); // the leaves went first, and were the first to be overwritten
        cache.CheckIntegrity();
    }

    [Fact]
    public void A_disk_tier_that_makes_no_sense_is_refused()
    {
        Assert.Throws<NotSupportedException>(() => new KvCache(KvPlan.Create(Windows, KvFormats.Get("f32"), 128, 1, 128, 1L << 30), true, 1 << 20));
        Assert.Throws<NotSupportedException>(() => new KvCache(KvPlan.Create(Full, KvFormats.Get("f32"), 128, 1, 128, 1L << 30), false, 1 << 20));
        Assert.Throws<InvalidOperationException>(() => new KvCache(KvPlan.Create(Full, KvFormats.Get("f32"), 128, 1, 128, 1L << 30), true, 100));
    }

    private static SequenceCache Run(KvCache cache, int[] tokens, int? step = null)
    {
        SequenceCache sequence = cache.CreateSequence();
        for (int start = 0; start < tokens.Length; start += step ?? tokens.Length)
        {
            int count = Math.Min(step ?? tokens.Length, tokens.Length - start);
            Assert.True(sequence.TryReserve(count));
            sequence.Commit(count, tokens);
        }
        return sequence;
    }

    private static KvCache Create(LayerCache[] layers, int context = 128, int sequences = 4) =>
        new(KvPlan.Create(layers, KvFormats.Get("f32"), context, sequences, 128, 1L << 30), keepsPrefixes: true);
}
