// Sluice in a program of your own: dotnet run -c Release --project samples/Embedding -- model.gguf "Once upon a time"
using Sluice;
using Sluice.Sampling;

using Engine engine = Engine.Load(args[0]);
Request request = new() { Prompt = engine.Tokenizer!.Encode(args[1]), MaxTokens = 100, Sampling = new SamplingOptions { Temperature = 0.7f } };
await foreach (GeneratedToken token in engine.Generate(request))
    Console.Write(token.Text);
Console.WriteLine();
