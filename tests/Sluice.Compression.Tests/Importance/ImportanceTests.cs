using System.Text;
using Sluice.Files;
using Sluice.TestData;

namespace Sluice.Compression;

public class ImportanceTests
{
    private static readonly string Model = SharedFiles.Data("models", "llama-gqa.gguf");

    [Fact]
    public void Both_forms_are_read_as_they_were_written()
    {
        using TemporaryFolder folder = new();
        ImportanceMatrix matrix = Collect(Model, chunks: 3);
        Assert.Equal(2 * 7, matrix.Entries.Count);
        foreach (string name in (string[])["a.gguf", "a.dat"])
        {
            ImportanceFile.Write(matrix, folder.File(name));
            ImportanceMatrix read = ImportanceFile.Read(folder.File(name));
            Assert.Equal(3, read.Chunks);
            Assert.Equal(["a text"], read.Datasets);
            Assert.Equal(matrix.Entries.Keys, read.Entries.Keys);
            foreach ((string key, ImportanceEntry entry) in matrix.Entries)
                Assert.Equal(entry.Means(), read.Entries[key].Means(), (a, b) => MathF.Abs(a - b) <= 1e-5f * a);
        }
        Assert.Equal(["a.dat", "a.gguf"], folder.Names);
        using ModelFile file = ModelFile.Open(folder.File("a.gguf"));
        Assert.Equal("imatrix", file.Metadata.GetString("general.type"));
        Assert.Equal((3, 32), (file.Metadata.GetInt32("imatrix.chunk_count"), file.Metadata.GetInt32("imatrix.chunk_size")));
        Assert.Equal([128, 1], file.Tensor("blk.0.attn_k.weight.in_sum2").Shape);
        Assert.Equal([1, 1], file.Tensor("blk.0.attn_k.weight.counts").Shape);
        Assert.Equal(96f, BitConverter.ToSingle(file.Tensor("blk.0.attn_k.weight.counts").Data.Span()));
    }

    /// <summary>The older form, byte by byte.</summary>
    [Fact]
    public void The_older_form_holds_means_times_calls()
    {
        using TemporaryFolder folder = new();
        using (BinaryWriter writer = new(File.Create(folder.File("old.dat"))))
        {
            writer.Write(1);
            writer.Write(3);
            writer.Write(Encoding.UTF8.GetBytes("a.b"));
            writer.Write(5);
            writer.Write(2);
            writer.Write(10f);
            writer.Write(20f);
            writer.Write(5);
            writer.Write(4);
            writer.Write(Encoding.UTF8.GetBytes("text"));
        }
        ImportanceMatrix matrix = ImportanceFile.Read(folder.File("old.dat"));
        Assert.Equal([2f, 4f], matrix.Entries["a.b"].Means());
        Assert.Equal(5, matrix.Chunks);
        Assert.Equal(["text"], matrix.Datasets);
        ImportanceFile.Write(matrix, folder.File("new.dat"));
        Assert.Equal(File.ReadAllBytes(folder.File("old.dat")), File.ReadAllBytes(folder.File("new.dat")));
    }

    [Fact]
    public void Merging_and_going_on_give_what_one_run_does()
    {
        ImportanceMatrix whole = Collect(Model, chunks: 4), first = Collect(Model, chunks: 2);
        Collect(Model, chunks: 4, first); // goes on with the third
        ImportanceMatrix merged = new(32);
        merged.Merge(whole);
        merged.Merge(first);
        Assert.Equal(8, merged.Chunks);
        foreach ((string name, ImportanceEntry entry) in whole.Entries)
        {
            Assert.Equal(entry.Sums, first.Entries[name].Sums, (a, b) => Math.Abs(a - b) <= 1e-9 * a);
            Assert.Equal(entry.Means(), merged.Entries[name].Means(), (a, b) => MathF.Abs(a - b) <= 1e-6f * a);
        }
    }

    [Fact]
    public void Experts_are_measured_apart()
    {
        ImportanceMatrix matrix = Collect(SharedFiles.Shared("golden", "models", "qwen3moe.gguf"), chunks: 2);
        ImportanceEntry up = matrix.Entries["blk.0.ffn_up_exps.weight"], down = matrix.Entries["blk.0.ffn_down_exps.weight"];
        Assert.True(up.Counts.Length > 1);
        Assert.Equal(up.Counts, down.Counts);
        Assert.Equal(0, up.Counts.Sum() % 64); // every token has as many experts
        Assert.True(up.Counts.Distinct().Count() > 1);
    }

    [Fact]
    public void A_text_that_is_too_short_is_an_error() =>
        Assert.Contains("31 tokens", Assert.Throws<ArgumentException>(() => Collect(Model, chunks: 1, tokens: 31)).Message);

    [Fact]
    public void Damaged_files_are_errors()
    {
        using TemporaryFolder folder = new();
        ImportanceMatrix matrix = Collect(Model, chunks: 1);
        foreach (string name in (string[])["a.gguf", "a.dat"])
        {
            string path = folder.File(name);
            ImportanceFile.Write(matrix, path);
            byte[] bytes = File.ReadAllBytes(path);
            Random random = new(1);
            for (int trial = 0; trial < 300; trial++)
            {
                byte[] damaged = bytes[..(trial % 3 == 0 ? random.Next(bytes.Length) : bytes.Length)];
                for (int i = 0; i < 3 && damaged.Length > 0; i++)
                    damaged[random.Next(Math.Min(damaged.Length, 400))] = (byte)random.Next(256);
                File.WriteAllBytes(path, damaged);
                try
                {
                    ImportanceFile.Read(path);
                }
                catch (Exception error) when (error is IOException or InvalidDataException or NotSupportedException)
                {
                }
            }
        }
        File.WriteAllText(folder.File("a.gguf"), "no such thing");
        Assert.Throws<InvalidDataException>(() => ImportanceFile.Read(folder.File("a.gguf")));
        Assert.Contains("imatrix", Assert.Throws<InvalidDataException>(() => ImportanceFile.Read(Model)).Message);
    }

    private static ImportanceMatrix Collect(string model, int chunks, ImportanceMatrix? matrix = null, int tokens = 32 * 4)
    {
        if (matrix is null)
        {
            matrix = new ImportanceMatrix(32);
            matrix.Datasets.Add("a text");
        }
        ImportanceCollector collector = new(matrix);
        using Runner runner = Runner.Load(model, new EngineOptions { Threads = 2, Context = 64, Sequences = 1, Wrap = collector.Wrap });
        collector.Run(runner, [.. Enumerable.Range(0, tokens).Select(i => 3 + i * 37 % 400)], bos: 1, chunks);
        return matrix;
    }
}
