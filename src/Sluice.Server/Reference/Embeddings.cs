using Sluice.Server.Api;
using static Sluice.Server.Reference.Field;

namespace Sluice.Server.Reference;

/// <summary>What the endpoint of embeddings takes and answers.</summary>
internal static class Embeddings
{
    public static Description Create => new("Embeddings", "Makes vectors of texts or tokens.")
    {
        Body =
        [
            CommonFields.Model,
            OneOf("input", "A text, some token ids, or an array of either.",
                Type("string"), ArrayOf(Type("string")), ArrayOf(CommonFields.TokenId), ArrayOf(ArrayOf(CommonFields.TokenId))).Required(),
            Text("encoding_format", "float (if absent) for arrays of numbers, base64 for little-endian float32."),
            Integer("dimensions", 1, null, "The first so many numbers, scaled to length 1 again; all if absent."),
            Integer("priority", -1_000_000, null, "Lower goes first, where the server's policy is priority."),
            Text("user", "Who asks; nothing is done with it."),
        ],
        Reply = ApiJson.Default.EmbeddingReplySingleArray,
        Example = """{"input": ["Once upon a time", "The end"]}""",
        CSharp = """
            using System.ClientModel;
            using OpenAI;
            using OpenAI.Embeddings;

            OpenAIClientOptions options = new() { Endpoint = new Uri("SERVER/v1") };
            EmbeddingClient client = new("MODEL", new ApiKeyCredential("KEY"), options);
            OpenAIEmbedding embedding = client.GenerateEmbedding("Once upon a time");
            """,
    };
}
