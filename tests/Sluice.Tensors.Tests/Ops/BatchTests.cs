namespace Sluice.Tensors.Tests.Ops;

public class BatchTests
{
    private static readonly int[][] NoTables = [];

    [Fact]
    public void Chains_take_consecutive_positions_after_the_past()
    {
        Batch batch = new();
        batch.BeginSequence(5, NoTables);
        batch.Add(10, wantOutput: false);
        batch.Add(11, wantOutput: true);
        batch.BeginSequence(0, NoTables);
        batch.Add(12, wantOutput: true);
        Assert.Equal([5, 6, 0], batch.Positions);
        Assert.Equal([-1, 0, -1], batch.Parents);
        Assert.Equal([1, 2], batch.Outputs);
        Assert.Equal(2, batch.Sequences.Length);
        Assert.True(batch.Sequences[0].IsChain && batch.Sequences[1].IsChain);
        Assert.Equal((2, 1), (batch.Sequences[1].Start, batch.Sequences[1].Count));
    }

    [Fact]
    public void Siblings_of_a_tree_share_a_position()
    {
        Batch batch = new();
        batch.BeginSequence(3, NoTables);
        int root = batch.Add(1, true);
        int left = batch.AddChild(2, root, true);
        int right = batch.AddChild(3, root, true);
        batch.AddChild(4, left, true);
        batch.AddChild(5, right, true);
        Assert.Equal([3, 4, 4, 5, 5], batch.Positions);
        Assert.False(batch.Sequences[0].IsChain);
    }

    [Fact]
    public void A_parent_must_be_an_earlier_row_of_the_sequence()
    {
        Batch batch = new();
        Assert.Throws<InvalidOperationException>(() => batch.Add(1, true));
        batch.BeginSequence(0, NoTables);
        batch.Add(1, true);
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.AddChild(1, 1, true));
        batch.BeginSequence(0, NoTables);
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.AddChild(1, 0, true));
    }

    [Fact]
    public void Clearing_makes_room_for_another_step()
    {
        Batch batch = new();
        for (int step = 0; step < 3; step++)
        {
            batch.Clear();
            batch.BeginSequence(step, NoTables);
            for (int i = 0; i < 200; i++)
                batch.Add(i, wantOutput: true);
            Assert.Equal(200, batch.Outputs.Length);
            Assert.Equal(step + 199, batch.Positions[199]);
        }
    }
}
