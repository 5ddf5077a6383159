using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

public class TensorInfoTests
{
    [Fact]
    public void Bytes_are_made_once_for_all_threads_and_again_after_a_release()
    {
        const int Threads = 4;
        int made = 0;
        TensorInfo tensor = new("made", TensorType.F32, [2], 8, () =>
        {
            Interlocked.Increment(ref made);
            Thread.Sleep(50); // the others come meanwhile
            return MappedFile.InMemory("memory", 8, out Span<byte> _).Bytes;
        });
        using Barrier together = new(Threads);
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(_ => new Thread(() =>
        {
            together.SignalAndWait();
            tensor.Dequantize(0, new float[2]);
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(1, made);

        tensor.Release();
        tensor.Dequantize(0, new float[2]);
        Assert.Equal(2, made);
    }
}
