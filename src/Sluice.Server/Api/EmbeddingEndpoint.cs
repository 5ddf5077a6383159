using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Sluice.Server.Generation;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>POST /v1/embeddings.</summary>
internal sealed class EmbeddingEndpoint(ApiContext api, EmbeddingService embeddings)
{
    private const int MaxTexts = 2048; // as OpenAI's API has it

    public async Task InvokeAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        string? adapter = api.CheckModel(fields);
        int[][] texts = ReadInput(fields);
        string format = fields.Text("encoding_format") ?? "float";
        if (format is not ("float" or "base64"))
            throw fields.Wrong("encoding_format", "float or base64");
        int? dimensions = fields.Integer("dimensions", 1);
        if (dimensions > api.Engine.Runner.Model.Config.Embedding)
            throw fields.Wrong("dimensions", $"at most {api.Engine.Runner.Model.Config.Embedding}");
        int priority = -(fields.Integer("priority", -1_000_000) ?? 0);
        _ = fields.Text("user"); // for the provider's own records; there are none
        fields.CheckAllRead();

        EmbeddingRequest[] requests = [.. texts.Select(tokens => new EmbeddingRequest { Prompt = tokens, Priority = priority, Adapter = adapter })];
        float[][] vectors = [.. (await embeddings.RunAsync(context, requests))
            .Select(embedding => (dimensions is { } count ? embedding.Shorten(count) : embedding).Values)];
        int promptTokens = texts.Sum(tokens => tokens.Length);
        if (format == "float")
            await Reply.JsonAsync(context, Make(vectors), ApiJson.Default.EmbeddingReplySingleArray);
        else
            await Reply.JsonAsync(context, Make(Array.ConvertAll(vectors, Base64)), ApiJson.Default.EmbeddingReplyString);

        EmbeddingReply<T> Make<T>(T[] all) => new(
            "list", [.. all.Select((one, i) => new EmbeddingEntry<T>("embedding", i, one))], adapter ?? api.Model, new(promptTokens, promptTokens));
    }

    private int[][] ReadInput(RequestFields fields)
    {
        int[][] texts = PromptField.Read(api, fields, "input");
        JsonElement input = fields.Any("input")!.Value;
        if (texts.Length > MaxTexts)
            throw fields.Wrong("input", $"at most {MaxTexts} texts");
        for (int i = 0; i < texts.Length; i++)
        {
            // The tokenizer puts a token around nothing too, of which nobody wants the embedding.
            bool isEmpty = texts[i].Length == 0 || (input.ValueKind == JsonValueKind.String ? input : input[i]) is { ValueKind: JsonValueKind.String } text
                && text.GetString()!.Length == 0;
            if (isEmpty)
                throw fields.Wrong("input", "texts that are not empty");
            if (texts[i].Length > api.Engine.Context)
            {
                throw new ApiException(
                    StatusCodes.Status400BadRequest,
                    $"This model's maximum context length is {api.Engine.Context} tokens. However, text {i} of input has {texts[i].Length}.",
                    "input", "context_length_exceeded");
            }
        }
        return texts;
    }

    /// <summary>Little-endian float32.</summary>
    private static string Base64(float[] values)
    {
        if (BitConverter.IsLittleEndian)
            return Convert.ToBase64String(MemoryMarshal.AsBytes(values.AsSpan()));
        return Convert.ToBase64String([.. values.SelectMany(value => BitConverter.GetBytes(value).Reverse())]);
    }
}
