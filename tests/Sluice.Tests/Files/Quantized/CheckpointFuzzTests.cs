using System.Text;
using System.Text.Json.Nodes;
using Sluice.Files.HuggingFace;

namespace Sluice.Files;

/// <summary>Checkpoints with a damaged header or a damaged config.json are read, or refused with one of the two exceptions that say so.</summary>
public class CheckpointFuzzTests
{
    private const int Times = 150;

    [Theory]
    [InlineData("gptq 4 bits 128 asymmetric act-order")]
    [InlineData("gptq 3 bits 128")]
    [InlineData("awq 128")]
    [InlineData("compressed W4A16 asymmetric")]
    [InlineData("compressed W8A8 asymmetric")]
    [InlineData("fp8 squares")]
    [InlineData("nf4 double")]
    public void Damaged_checkpoints(string name)
    {
        (string config, WriteMap write) = CheckpointTests.Cases[name];
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), write);
        byte[] bytes = File.ReadAllBytes(folder["model.safetensors"]), json = File.ReadAllBytes(folder["config.json"]);
        int length = (int)BitConverter.ToUInt64(bytes), readable = 0, refused = 0;
        byte[] header = bytes[8..(8 + length)], data = bytes[(8 + length)..];
        for (int i = 0; i < 2 * Times; i++)
        {
            Random random = new(i);
            byte[] changedHeader = i < Times ? Damage(header, random) : header, changedConfig = i < Times ? json : Damage(json, random);
            byte[] file = [.. BitConverter.GetBytes((ulong)changedHeader.Length), .. changedHeader, .. data];
            try
            {
                ConfigMap map = new(JsonFile.Parse(folder["config.json"], changedConfig));
                TensorInfo query = HuggingFaceModel.Read(map, [RawGguf.InMemory("fuzz", file)])["blk.0.attn_q.weight"];
                _ = query.Data.Span().Length;
                readable++;
            }
            catch (Exception error) when (error is InvalidDataException or NotSupportedException or KeyNotFoundException)
            {
                refused++;
            }
            catch (Exception error)
            {
                Assert.Fail($"case {i}: {error}\n{Encoding.UTF8.GetString(i < Times ? changedHeader : changedConfig)}");
            }
        }
        Assert.True(readable > 0 && refused > Times / 2, $"{readable} readable, {refused} refused");
    }

    // Half of the time a number for another one, which keeps it JSON.
    private static byte[] Damage(byte[] text, Random random)
    {
        if (random.Next(2) == 0)
            return Mutation.Mutate(text, random);
        string[] numbers = ["0", "1", "7", "32", "96", "128", "255", "-1", "2147483647", "4294967296", "1e3", "null", "[]"];
        byte[] result = [.. text];
        int at = random.Next(result.Length), digit = Array.FindIndex(result, at, value => value is >= (byte)'0' and <= (byte)'9');
        if (digit < 0)
            return result;
        int end = Array.FindIndex(result, digit, value => value is < (byte)'0' or > (byte)'9');
        return [.. result[..digit], .. Encoding.UTF8.GetBytes(numbers[random.Next(numbers.Length)]), .. result[end..]];
    }
}
