namespace Sluice.TestData;

public class RepositoryTests
{
    [Fact]
    public void Root_is_found() => Assert.True(File.Exists(Path.Combine(SharedFiles.Root, "LICENSE")));
}
