using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;

namespace Sluice.Extensions.AI.Tests;

/// <summary>Semantic Kernel over Sluice, as in samples/SemanticKernel, but that the function must be called.</summary>
public class SemanticKernelTests
{
    [Fact]
    public async Task AKernelsFunctionIsCalled()
    {
        List<bool> asked = [];
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.Services.AddSluice(Starter.Path, options => options.Engine = new EngineOptions { Context = 512, Threads = 1 });
        builder.Services.AddChatClient(services => services.GetRequiredService<SluiceChatClient>()).UseKernelFunctionInvocation();
        builder.Plugins.AddFromFunctions("weather", [KernelFunctionFactory.CreateFromMethod((bool tomorrow) => asked.Add(tomorrow), "warmth")]);
        Kernel kernel = builder.Build();
        PromptExecutionSettings settings = new()
        {
            FunctionChoiceBehavior = FunctionChoiceBehavior.Required(options: new() { AllowParallelCalls = false }),
            ExtensionData = new Dictionary<string, object> { ["max_tokens"] = 150, ["temperature"] = 0.0 },
        };

        FunctionResult answer = await kernel.InvokePromptAsync("How warm is it?", new KernelArguments(settings), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Single(asked);
        Assert.NotEmpty(answer.ToString());
        await ((ServiceProvider)kernel.Services).DisposeAsync();
    }
}
