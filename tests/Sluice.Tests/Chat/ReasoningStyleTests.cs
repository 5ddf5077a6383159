using Sluice.Chat.Styles;

namespace Sluice.Tests.Chat;

public class ReasoningStyleTests
{
    [Theory]
    [InlineData("<think>\nHm, 1 < 2.\n</think>\n\nYes. ", false, "(Hm, 1 < 2.)Yes. ")]
    [InlineData("<think>\n\n</think>\n\nYes.", false, "Yes.")]
    [InlineData("Yes, <think> is a tag.\n", false, "Yes, <think> is a tag.\n")]
    [InlineData("\n<thin", false, "\n<thin")]
    [InlineData("\nHm.</thi </think>Yes.", true, "(Hm.</thi)Yes.")]
    [InlineData("I was cut </th", true, "(I was cut </th)")]
    [InlineData("</think>", true, "")]
    public void ThoughtsAreApart(string text, bool isOpen, string expected) =>
        Assert.Equal(expected, AnswerText.Read(text, null, ReasoningStyle.Get("think"), isOpen));

    [Fact]
    public void CallsFollowThoughts()
    {
        const string Text = "<think>I call <tool_call>.</think>\n<tool_call>{\"name\": \"get_time\"}</tool_call>";
        Assert.Equal("(I call <tool_call>.)[0 id get_time {}]", AnswerText.Read(Text, ToolStyle.Get("hermes"), ReasoningStyle.Get("think")));
        Assert.Equal(
            "(a)b[0 id get_time {}]",
            AnswerText.Read("[THINK]a[/THINK]b[TOOL_CALLS]get_time[ARGS]{}", ToolStyle.Get("mistral"), ReasoningStyle.Get("mistral")));
        Assert.Equal(
            """(a)[0 id get_time {"x": 1}]""",
            AnswerText.Read("a</think>{\"name\": \"get_time\", \"parameters\": {\"x\": 1}}", ToolStyle.Get("llama3"), ReasoningStyle.Get("think"), isOpen: true));
    }

    [Fact]
    public void PromptsTellWhetherThoughtsHaveBegun()
    {
        ReasoningStyle style = ReasoningStyle.Get("think");
        Assert.True(style.IsOpen("<|im_start|>assistant\n<think>\n"));
        Assert.False(style.IsOpen("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
        Assert.False(style.IsOpen("<|im_start|>assistant\n"));
    }
}
