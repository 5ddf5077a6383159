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
}
