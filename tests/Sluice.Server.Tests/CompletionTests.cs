using System.Text.Json;

namespace Sluice.Server.Tests;

public class CompletionTests
{
    [Fact]
    public async Task ContinuesTextsAndTokensWithEcho()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement text) = await server.PostAsync("/v1/completions",
            """{"prompt":"Once upon a time","temperature":0,"max_tokens":10,"echo":true}""");
        Assert.Equal(200, status);
        string expected = text.GetProperty("choices")[0].GetProperty("text").GetString()!;
        Assert.StartsWith("Once upon a time", expected);
        Assert.Equal(10, text.GetProperty("usage").GetProperty("completion_tokens").GetInt32());

        (_, JsonElement tokens) = await server.PostAsync("/tokenize", """{"prompt":"Once upon a time"}""");
        string ids = tokens.GetProperty("tokens").GetRawText();
        (_, JsonElement same) = await server.PostAsync("/v1/completions", $$"""{"prompt":[{{ids}},{{ids}}],"temperature":0,"max_tokens":10}""");
        Assert.Equal(2, same.GetProperty("choices").GetArrayLength());
        Assert.All(same.GetProperty("choices").EnumerateArray(), choice =>
            Assert.Equal(expected, "Once upon a time" + choice.GetProperty("text").GetString()));

        (_, JsonElement back) = await server.PostAsync("/detokenize", $$"""{"tokens":{{ids}}}""");
        Assert.EndsWith("Once upon a time", back.GetProperty("prompt").GetString());
        (_, JsonElement rendered) = await server.PostAsync("/apply-template", """{"messages":[{"role":"user","content":"Once"}]}""");
        Assert.Contains("Once", rendered.GetProperty("prompt").GetString());
    }

    [Fact]
    public async Task BestOfReturnsTheLikeliest()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        const string request = """{"prompt":"Once","seed":3,"max_tokens":8,"logprobs":1,""";
        (_, JsonElement all) = await server.PostAsync("/v1/completions", request + "\"n\":4}");
        (_, JsonElement best) = await server.PostAsync("/v1/completions", request + "\"best_of\":4}");
        JsonElement likeliest = all.GetProperty("choices").EnumerateArray().MaxBy(
            choice => choice.GetProperty("logprobs").GetProperty("token_logprobs").EnumerateArray().Average(value => value.GetSingle()));
        Assert.Equal(likeliest.GetProperty("text").GetString(), Assert.Single(best.GetProperty("choices").EnumerateArray()).GetProperty("text").GetString());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task EchoTellsThePromptsLogProbabilities(bool isStream)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        const string prompt = "Once upon a time there was a little girl";
        await server.PostAsync("/v1/completions", $$"""{"prompt":"{{prompt}}","max_tokens":4}"""); // in the cache: computed again all the same
        string request = $$"""{"prompt":"{{prompt}}","echo":true,"logprobs":3,"temperature":0,"max_tokens":""";
        JsonElement choice = await AskAsync(5);
        JsonElement probabilities = choice.GetProperty("logprobs");
        string[] tokens = [.. probabilities.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!)];
        float?[] values = [.. probabilities.GetProperty("token_logprobs").EnumerateArray().Select(value => value.ValueKind == JsonValueKind.Null ? (float?)null : value.GetSingle())];
        int[] offsets = [.. probabilities.GetProperty("text_offset").EnumerateArray().Select(value => value.GetInt32())];
        JsonElement[] top = [.. probabilities.GetProperty("top_logprobs").EnumerateArray()];
        string text = choice.GetProperty("text").GetString()!;
        Assert.StartsWith(prompt, text);
        Assert.Equal([tokens.Length, tokens.Length, tokens.Length], [values.Length, offsets.Length, top.Length]);
        Assert.Null(values[0]);
        Assert.Equal(JsonValueKind.Null, top[0].ValueKind);
        Assert.All(values[1..], value => Assert.InRange(value!.Value, -30, 0));
        Assert.All(top[1..], likeliest => Assert.Equal(3, likeliest.EnumerateObject().Count()));
        for (int i = 2; i < tokens.Length; i++) // the first is the one that begins every text, the second loses its space
            Assert.Equal(tokens[i], text.Substring(offsets[i], tokens[i].Length));

        // What comes with a prompt's last token is what a shorter prompt is continued with.
        JsonElement alone = await AskAsync(0);
        Assert.Equal(prompt, alone.GetProperty("text").GetString());
        Assert.Equal("length", alone.GetProperty("finish_reason").GetString());
        Assert.Equal(values[..^5], alone.GetProperty("logprobs").GetProperty("token_logprobs").EnumerateArray()
            .Select(value => value.ValueKind == JsonValueKind.Null ? (float?)null : value.GetSingle()));
        (_, JsonElement tokenized) = await server.PostAsync("/tokenize", $$"""{"prompt":"{{prompt}}"}""");
        int[] ids = [.. tokenized.GetProperty("tokens").EnumerateArray().Select(id => id.GetInt32())];
        (_, JsonElement next) = await server.PostAsync("/v1/completions", $$"""{"prompt":[{{string.Join(',', ids[..^1])}}],"logprobs":20,"max_tokens":1}""");
        Assert.Equal(values[^6], next.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("top_logprobs")[0].GetProperty(tokens[^6]).GetSingle());

        async Task<JsonElement> AskAsync(int maxTokens)
        {
            if (!isStream)
                return (await server.PostAsync("/v1/completions", request + maxTokens + "}")).Body.GetProperty("choices")[0];
            using HttpResponseMessage response = await server.Http.PostAsync("/v1/completions", new StringContent(request + maxTokens + ",\"stream\":true}"));
            JsonElement[] parts = [.. (await response.Content.ReadAsStringAsync()).Split("\n\n")
                .Where(line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0])];
            JsonElement[] All(string name) => [.. parts.SelectMany(part => part.GetProperty("logprobs").GetProperty(name).EnumerateArray())];
            return JsonSerializer.SerializeToElement(new
            {
                text = string.Concat(parts.Select(part => part.GetProperty("text").GetString())),
                finish_reason = parts[^1].GetProperty("finish_reason"),
                logprobs = new { tokens = All("tokens"), token_logprobs = All("token_logprobs"), top_logprobs = All("top_logprobs"), text_offset = All("text_offset") },
            });
        }
    }

    [Theory]
    [InlineData("""{"prompt":"Once","suffix":"x"}""", "suffix", "unknown_parameter")]
    [InlineData("""{"prompt":"Once","max_tokens":0}""", "max_tokens", "invalid_value")]
    [InlineData("""{"prompt":"Once","n":3,"best_of":2}""", "best_of", "invalid_value")]
    [InlineData("""{"prompt":"Once","best_of":2,"stream":true}""", "best_of", "invalid_value")]
    [InlineData("""{"prompt":"Once","logprobs":true}""", "logprobs", "invalid_value")]
    [InlineData("""{"prompt":[]}""", "prompt", "invalid_value")]
    [InlineData("""{"prompt":[[1],[]]}""", "prompt", "invalid_value")]
    [InlineData("""{"prompt":[1,"x"]}""", "prompt", "invalid_value")]
    [InlineData("""{"prompt":"Once","stream_options":{}}""", "stream_options", "invalid_value")]
    [InlineData("""{"prompt":"Once","logit_bias":{"dog":1}}""", "logit_bias", "invalid_value")]
    [InlineData("""{"prompt":"Once","stop":[""]}""", "stop", "invalid_value")]
    public async Task WrongFieldsAreNamed(string json, string param, string code)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement body) = await server.PostAsync("/v1/completions", json);
        JsonElement error = body.GetProperty("error");
        Assert.Equal((400, param, code), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task SettingsDoWhatTheySay()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string greedy = await AskAsync("\"temperature\":0");
        foreach (string only in (string[])["\"top_k\":1", "\"top_p\":0", "\"min_p\":1", "\"typical_p\":1,\"top_k\":1,\"user\":\"me\",\"priority\":-3"])
            Assert.Equal(greedy, await AskAsync(only + ",\"temperature\":2"));
        Assert.NotEqual(greedy, await AskAsync("\"top_k\":-1,\"temperature\":2,\"seed\":5"));

        using HttpResponseMessage stream = await server.Http.PostAsync("/v1/completions", new StringContent(
            """{"prompt":"Once","max_tokens":3,"ignore_eos":true,"stream":true,"stream_options":{"include_usage":true}}"""));
        string[] events = (await stream.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", events[^1]);
        JsonElement last = JsonDocument.Parse(events[^2][6..]).RootElement;
        Assert.Equal((0, 3), (last.GetProperty("choices").GetArrayLength(), last.GetProperty("usage").GetProperty("completion_tokens").GetInt32()));

        async Task<string> AskAsync(string fields) =>
            (await server.PostAsync("/v1/completions", $$"""{"prompt":"Once upon a time","max_tokens":24,"ignore_eos":true,{{fields}}}"""))
                .Body.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    [Fact]
    public async Task TooLongPromptsNameTheirField()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string words = string.Concat(Enumerable.Repeat("word ", 5000));
        Assert.Equal("prompt", await FieldAsync("/v1/completions", $$"""{"prompt":"{{words}}"}"""));
        Assert.Equal("messages", await FieldAsync("/v1/chat/completions", $$"""{"messages":[{"role":"user","content":"{{words}}"}]}"""));

        async Task<string?> FieldAsync(string path, string json)
        {
            JsonElement error = (await server.PostAsync(path, json)).Body.GetProperty("error");
            Assert.Equal("context_length_exceeded", error.GetProperty("code").GetString());
            return error.GetProperty("param").GetString();
        }
    }

    /// <summary>OpenAI's penalties look at what was generated, not at the prompt.</summary>
    [Fact]
    public async Task PenaltiesLeaveThePromptOut()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string first = await AskAsync("", 1);
        Assert.Equal(first, await AskAsync(",\"presence_penalty\":2,\"frequency_penalty\":2", 1)); // though the prompt is full of it
        Assert.NotEqual(first, await AskAsync(",\"repetition_penalty\":100", 1));
        Assert.NotEqual(await AskAsync("", 30), await AskAsync(",\"frequency_penalty\":2", 30));

        async Task<string> AskAsync(string more, int tokens) =>
            (await server.PostAsync("/v1/completions", $$"""{"prompt":"the dog, the dog, the dog, the dog, the dog, the","temperature":0,"ignore_eos":true,"max_tokens":{{tokens}}{{more}}}"""))
                .Body.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }
}
