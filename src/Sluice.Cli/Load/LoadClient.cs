using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Sluice.Cli.Load;

/// <summary>Asks any server with OpenAI's API for completions, and notes when each token came.</summary>
internal sealed class LoadClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <param name="address">The server's, with or without <c>/v1</c>.</param>
    /// <param name="key">What it is to be asked with; null for nothing.</param>
    public LoadClient(Uri address, string? key)
    {
        string root = address.AbsoluteUri.TrimEnd('/');
        Address = root.EndsWith("/v1", StringComparison.Ordinal) ? root[..^3] : root;
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };
        if (key is not null)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>The server's address.</summary>
    public string Address { get; }

    /// <summary>Seconds since this client was made.</summary>
    public double Now => Stopwatch.GetElapsedTime(_start).TotalSeconds;

    public void Dispose() => _http.Dispose();

    /// <summary>The model that the server has, and how many tokens its vocabulary has, if it tells (as llama.cpp's and Sluice's do).</summary>
    /// <exception cref="InvalidDataException">It answers otherwise than OpenAI's API does.</exception>
    public async Task<(string Name, int? Vocabulary)> FindModelAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage response = await _http.GetAsync(Address + "/v1/models", cancellation);
        string body = await response.Content.ReadAsStringAsync(cancellation);
        if (!response.IsSuccessStatusCode)
            throw new InvalidDataException($"{Address}/v1/models: {Describe(response, body)}");
        try
        {
            using JsonDocument json = JsonDocument.Parse(body);
            JsonElement model = json.RootElement.GetProperty("data")[0];
            int? vocabulary = model.TryGetProperty("meta", out JsonElement meta) && meta.ValueKind == JsonValueKind.Object
                && meta.TryGetProperty("n_vocab", out JsonElement count) && count.TryGetInt32(out int tokens) ? tokens : null;
            return (model.GetProperty("id").GetString()!, vocabulary);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"{Address}/v1/models does not answer with a list of models.");
        }
    }

    /// <summary>Sends a request and reads its answer to the end. Whatever goes wrong with it is noted, and no exception.</summary>
    /// <param name="model">The model to ask for.</param>
    /// <param name="prompts">Where prompts come from.</param>
    /// <param name="index">Which prompt.</param>
    /// <param name="asked">Its lengths.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<RequestRecord> SendAsync(string model, Prompts prompts, int index, PlannedRequest asked, CancellationToken cancellation)
    {
        byte[] body = Body(model, prompts, index, asked);
        List<double> texts = new(asked.Output);
        int input = 0, output = 0;
        double sent = Now;
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Post, Address + "/v1/completions") { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
                return Failed(Describe(response, await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false)));
            await using Stream stream = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(cancellation).ConfigureAwait(false))
            {
                if (item.Data == "[DONE]")
                    continue;
                using JsonDocument json = JsonDocument.Parse(item.Data);
                JsonElement root = json.RootElement;
                if (root.TryGetProperty("error", out JsonElement error))
                    return Failed(error.ToString());
                if (root.TryGetProperty("choices", out JsonElement choices) && choices.GetArrayLength() > 0
                    && choices[0].TryGetProperty("text", out JsonElement text) && text.GetString() is { Length: > 0 })
                {
                    texts.Add(Now);
                }
                if (root.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object)
                    (input, output) = (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32());
            }
            if (texts.Count == 0)
                return Failed("the answer has no text");
            // A server that does not count tokens sent one a piece, as far as one can know.
            return new RequestRecord(asked, sent, texts, input > 0 ? input : asked.Input, output > 0 ? output : texts.Count, null);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return Failed(error.Message);
        }

        RequestRecord Failed(string why) => new(asked, sent, texts, input, output, why);
    }

    private static byte[] Body(string model, Prompts prompts, int index, PlannedRequest asked)
    {
        using MemoryStream body = new();
        using (Utf8JsonWriter json = new(body))
        {
            json.WriteStartObject();
            json.WriteString("model", model);
            if (prompts.AreTokens)
            {
                json.WriteStartArray("prompt");
                foreach (int token in prompts.Tokens(index, asked.Input))
                    json.WriteNumberValue(token);
                json.WriteEndArray();
            }
            else
            {
                json.WriteString("prompt", prompts.Text(index, asked.Input));
            }
            json.WriteNumber("max_tokens", asked.Output);
            json.WriteNumber("temperature", 0);
            json.WriteBoolean("ignore_eos", true);
            json.WriteBoolean("stream", true);
            json.WriteStartObject("stream_options");
            json.WriteBoolean("include_usage", true);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return body.ToArray();
    }

    private static string Describe(HttpResponseMessage response, string body)
    {
        const int Most = 300;
        return $"{(int)response.StatusCode} {response.ReasonPhrase} {(body.Length > Most ? body[..Most] + "..." : body)}".TrimEnd();
    }
}
