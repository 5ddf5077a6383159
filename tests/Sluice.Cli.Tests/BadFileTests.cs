namespace Sluice.Cli.Tests;

public sealed class BadFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File => _folder.File("bad.gguf");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void No_such_file() => Fails("bad.gguf");

    [Fact]
    public void Empty_folder()
    {
        Directory.CreateDirectory(File);
        Fails("bad.gguf");
    }

    /// <summary>Before any work is done.</summary>
    [Fact]
    public void Outputs_that_lead_nowhere()
    {
        string folder = Directory.CreateDirectory(_folder.File("folder")).FullName;
        SluiceProcess.Run("quantize", TestModel.Path, folder, "--type", "Q4_0", "--requantize").Failed(1, folder, "is a folder");
        SluiceProcess.Run("imatrix", "--model", TestModel.Path, "--text", TestModel.Path, "--output", folder).Failed(1, folder, "is a folder");
        SluiceProcess.Run("logits", "--model", TestModel.Path, "--tokens", "1", "--out", _folder.File("nowhere/a.f32")).Failed(1, "no folder", "nowhere");
        SluiceProcess.Run("bench", "--shape", "stories-15m", "--save", _folder.File("nowhere/a.gguf")).Failed(1, "no folder", "nowhere");
    }

    [Fact]
    public void Folders_in_place_of_files()
    {
        string folder = Directory.CreateDirectory(_folder.File("folder")).FullName;
        SluiceProcess.Run("perplexity", "--model", TestModel.Path, "--text", folder).Failed(1, folder, "is a folder");
        SluiceProcess.Run("run", "--grammar", folder, "text").Failed(1, folder, "is a folder");
    }

    [Fact]
    public void Wrong_magic()
    {
        System.IO.File.WriteAllText(File, "This is no model.");
        Fails("bad.gguf");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(1000)]
    [InlineData(20_000)]
    [InlineData(800_000)]
    public void Truncated(int length)
    {
        System.IO.File.WriteAllBytes(File, System.IO.File.ReadAllBytes(TestModel.Path)[..length]);
        Fails("bad.gguf");
    }

    [Fact]
    public void Missing_tensor()
    {
        TestModel.WriteChanged(File, "blk.1.ffn_up.weight", "blk.1.ffn_uq.weight");
        Fails("bad.gguf", "blk.1.ffn_up.weight");
    }

    [Fact]
    public void Unknown_architecture()
    {
        TestModel.WriteChanged(File, "general.architecture\b\0\0\0\u0005\0\0\0\0\0\0\0llama", "general.architecture\b\0\0\0\u0005\0\0\0\0\0\0\0xlama");
        Fails("bad.gguf", "general.architecture", "xlama");
        string inspected = SluiceProcess.Run("inspect", File).Succeeded().Output;
        Assert.Contains("Sluice cannot run it", inspected);
        Assert.Contains("blk.0.attn_q.weight", inspected);
    }

    [Fact]
    public void Unknown_metadata_that_changes_the_maths()
    {
        TestModel.WriteChanged(File, "llama.vocab_size", "llama.logit_scal");
        Fails("bad.gguf", "llama.logit_scal");
    }

    [Fact]
    public void A_stack_trace_only_when_it_is_asked_for()
    {
        SluiceProcess.Result result = SluiceProcess.Run("run", "--model", File, "--verbose", "text");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("   at ", result.Error);
    }

    [Fact]
    public void Missing_text_file() =>
        SluiceProcess.Run("perplexity", "--model", TestModel.Path, "--text", _folder.File("no.txt")).Failed(1, "no.txt");

    [Fact]
    public void Output_that_cannot_be_written() =>
        SluiceProcess.Run("logits", "--model", TestModel.Path, "--tokens", "1", "--out", _folder.File("no/such/folder.f32")).Failed(1, "folder.f32");

    private void Fails(params string[] said) => SluiceProcess.Run("run", "--model", File, "text").Failed(1, said);
}
