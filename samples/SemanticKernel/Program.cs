// A model of your own under Semantic Kernel, with a function that it may call:
// dotnet run -c Release --project samples/SemanticKernel -- model.gguf "What time is it in Tokyo?"
using System.ComponentModel;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Sluice.Extensions.AI;

IKernelBuilder builder = Kernel.CreateBuilder();
builder.Services.AddSluice(args[0]);
builder.Services.AddChatClient(services => services.GetRequiredService<SluiceChatClient>()).UseKernelFunctionInvocation();
builder.Plugins.AddFromType<Clock>();
Kernel kernel = builder.Build();

// Auto: the model decides. A model that was not trained for tools calls one only where it must: FunctionChoiceBehavior.Required().
PromptExecutionSettings settings = new() { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
await foreach (StreamingKernelContent piece in kernel.InvokePromptStreamingAsync(args[1], new KernelArguments(settings)))
    Console.Write(piece);
Console.WriteLine();

internal sealed class Clock
{
    [KernelFunction, Description("The time in a place, by its offset from UTC in hours")]
    public static string GetTime([Description("Such as 9 for Tokyo")] double offset) =>
        DateTimeOffset.UtcNow.ToOffset(TimeSpan.FromHours(offset)).ToString("HH:mm", null);
}
