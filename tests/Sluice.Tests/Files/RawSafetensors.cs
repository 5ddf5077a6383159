using System.Text;
using System.Text.Json.Nodes;

namespace Sluice.Files;

/// <summary>Writes safetensors: honestly, or with any header.</summary>
internal sealed class RawSafetensors
{
    private readonly JsonObject _header = new() { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };
    private readonly MemoryStream _data = new();

    /// <summary>Adds a tensor; its shape has the slowest dimension first.</summary>
    public RawSafetensors Add(string name, string dtype, long[] shape, ReadOnlySpan<byte> bytes)
    {
        _header[name] = new JsonObject
        {
            ["dtype"] = dtype,
            ["shape"] = new JsonArray([.. shape.Select(d => (JsonNode)d)]),
            ["data_offsets"] = new JsonArray(_data.Length, _data.Length + bytes.Length),
        };
        _data.Write(bytes);
        return this;
    }

    public byte[] ToArray() => ToArray(_header.ToJsonString(), _data.ToArray());

    public static byte[] ToArray(string header, byte[] data)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. data];
    }
}
