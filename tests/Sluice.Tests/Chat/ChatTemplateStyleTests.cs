using System.Text.Json;
using Sluice.Chat.Styles;
using Sluice.Tests.Tokenizers.Templates;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Chat;

/// <summary>The styles of published templates (shared/golden/chat).</summary>
public class ChatTemplateStyleTests
{
    [Theory]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "llama3", null, true)]
    [InlineData("meta-llama-Llama-3.2-3B-Instruct", "llama3", null, true)]
    [InlineData("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes", null, true)]
    [InlineData("Qwen-Qwen2.5-7B-Instruct", "hermes", null, true)]
    [InlineData("Qwen-QwQ-32B", "hermes", "think", true)]
    [InlineData("Qwen3-Coder", "qwen-coder", null, true)]
    [InlineData("GLM-4.6", "glm", "think", true)]
    [InlineData("deepseek-ai-DeepSeek-V3.1", "deepseek", "think", false)] // it writes calls down, but does not say which tools there are
    [InlineData("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek", "think", false)]
    [InlineData("openai-gpt-oss-120b", "harmony", null, true)]
    [InlineData("unsloth-mistral-Devstral-Small-2507", "mistral", null, true)]
    [InlineData("v3_spm", "mistral", null, true)]
    [InlineData("v7", "mistral", null, true)]
    [InlineData("v11", "mistral", null, true)]
    [InlineData("v13_image_think", "mistral", "mistral", true)]
    [InlineData("ByteDance-Seed-OSS", null, "seed", true)]
    [InlineData("microsoft-Phi-3-mini-4k-instruct", null, null, false)]
    [InlineData("mlabonne-AlphaMonarch-7B", null, null, false)]
    public void FamiliesAreKnownByTheirTemplates(string name, string? tools, string? reasoning, bool takesTools)
    {
        JsonElement entry = GoldenTemplates.Read().GetProperty("templates").EnumerateArray().Single(entry => entry.GetProperty("name").GetString() == name);
        ChatTemplate template = ChatTemplate.Parse(entry.GetProperty("template").GetString()!);
        Assert.Equal((tools, reasoning), (ToolStyle.Of(template.Source)?.Name, ReasoningStyle.Of(template.Source)?.Name));
        Assert.Equal(takesTools, template.TakesTools);
    }

    [Theory]
    [InlineData("openai-gpt-oss-120b", "<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{\"city\": \"Bonn\"}<|call|>", "I look.")]
    [InlineData("Qwen-Qwen2.5-7B-Instruct", "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\"}}", null)]
    [InlineData("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "get_weather\n```json\n{\"city\": \"Bonn\"}", null)]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Bonn\"}}", null)]
    [InlineData("v11", "[TOOL_CALLS]get_weather[CALL_ID]abcdef123[ARGS]{\"city\": \"Bonn\"}", null)]
    public void CallsAreWrittenDown(string name, string call, string? thought)
    {
        JsonElement entry = GoldenTemplates.Read().GetProperty("templates").EnumerateArray().Single(entry => entry.GetProperty("name").GetString() == name);
        string prompt = ChatTemplate.Parse(entry.GetProperty("template").GetString()!).Apply(
        [
            new("user", "How is the weather?"),
            new("assistant", null) { ToolCalls = [new("abcdef123", "get_weather", "{\"city\": \"Bonn\"}")], ReasoningContent = thought },
            new("tool", "rain") { ToolCallId = "abcdef123", Name = "get_weather" },
        ]);
        Assert.Contains(call, prompt);
        Assert.Contains("rain", prompt);
        Assert.Contains(thought ?? "", prompt);
    }
}
