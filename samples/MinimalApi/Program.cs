// A web service that talks, with a model in its own process:
// dotnet run -c Release --project samples/MinimalApi -- --model model.gguf --urls http://localhost:5000
// curl -N localhost:5000/chat -H 'Content-Type: application/json' -d '{"question": "How are you?"}'
using Microsoft.Extensions.AI;
using Sluice;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
string model = builder.Configuration["model"] ?? throw new ArgumentException("Say which model: --model model.gguf");
builder.Services.AddSluice(model, options => options.Engine = new EngineOptions { Context = 4096 });

WebApplication app = builder.Build();
_ = app.Services.GetRequiredService<Engine>(); // loads it now rather than with the first request

// What the model says, as server-sent events. Whoever hangs up ends the generation.
app.MapPost("/chat", (Question question, IChatClient client, CancellationToken cancellation) =>
    TypedResults.ServerSentEvents(TextAsync(client, question.Text, cancellation)));
app.Run();

static async IAsyncEnumerable<string> TextAsync(
    IChatClient client, string question, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
{
    await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(question, cancellationToken: cancellation))
    {
        if (update.Text.Length > 0)
            yield return update.Text;
    }
}

internal sealed record Question([property: System.Text.Json.Serialization.JsonPropertyName("question")] string Text);
