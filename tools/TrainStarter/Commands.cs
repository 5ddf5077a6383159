using System.Runtime.InteropServices;
using Sluice.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Sluice.TrainStarter;

/// <summary>The steps from text to model: prepare, train, export; and looking at the result: sample, evaluate.</summary>
internal static class Commands
{
    private const string Usage = """
        Makes the small model that comes with Sluice (docs/starter-model.md).

          dotnet run -c Release --project tools/TrainStarter -- STEP [OPTIONS]

        Steps
          prepare    cuts the corpus into stories, and has the teacher write more
          train      trains the model and keeps a checkpoint
          evaluate   loss on the held-out stories, the model's and the teacher's
          sample     lets the model write, greedily and at temperature 0.8
          export     writes the GGUF

        Options
          --corpus F     stories as text, a paragraph a line      (../shared/corpora/tinystories-sample.txt)
          --teacher F    a llama GGUF in F32, with its vocabulary (../shared/models/stories260K-f32.gguf)
          --work D       where the steps leave their results      (artifacts/starter)
          --out F        the model                                (models/sluice-starter.gguf)
          --written N    tokens that the teacher writes           (2000000)
          --steps N      training steps of 4096 tokens            (2600)
          --done N       steps done: goes on from the checkpoint  (0)
          --threads N    threads                                  (2)
          --prompt T     what `sample` continues                  (Once upon a time)
        """;

    private const int Seed = 1;

    public static int Run(string[] args)
    {
        if (args.Length == 0 || args[0] is "-h" or "--help")
        {
            Console.WriteLine(Usage);
            return args.Length == 0 ? 2 : 0;
        }
        var options = Options.Parse(args.AsSpan(1));
        switch (args[0])
        {
            case "prepare": Begin(options); Prepare(options); return 0;
            case "train": Begin(options); Train(options); return 0;
            case "evaluate": Begin(options); Evaluate(options); return 0;
            case "export": Export.Run(options); return 0;
            case "sample": Begin(options); Sample(options); return 0;
            default: throw new ArgumentException($"There is no step '{args[0]}'. See --help.");
        }
    }

    private static void Begin(Options options)
    {
        set_num_threads(options.Threads);
        random.manual_seed(Seed);
    }

    private static void Prepare(Options options)
    {
        using var teacher = new Teacher(options.Teacher);
        Directory.CreateDirectory(options.Work);
        List<ushort[]> stories = Corpus.Stories(File.ReadAllText(options.Corpus), teacher);
        int heldOut = stories.Count / 20;
        TokenStream.Write(options.HeldOut, [.. stories.Take(heldOut).SelectMany(story => story)]);
        TokenStream.Write(options.Real, [.. stories.Skip(heldOut).SelectMany(story => story)]);
        long total = stories.Sum(story => story.Length);
        Console.WriteLine($"{stories.Count} stories of {total} tokens; the first {heldOut} are held out");

        using FileStream written = File.Create(options.Written);
        for (long tokens = 0; tokens < options.WrittenTokens;)
        {
            ushort[] batch = teacher.Write(batch: 1024, temperature: 0.8);
            written.Write(MemoryMarshal.AsBytes<ushort>(batch));
            tokens += batch.Length;
            Console.WriteLine($"the teacher wrote {tokens} tokens");
        }
    }

    private static void Train(Options options)
    {
        using var teacher = new Teacher(options.Teacher);
        using Llama model = options.Done == 0
            ? Llama.Random(LlamaShape.Starter)
            : Checkpoint.Load(options.Weights, trainable: true);
        TokenStream heldOut = TokenStream.Read(options.HeldOut);
        Console.WriteLine($"{model.Weights.Values.Sum(weight => weight.numel())} weights");
        TokenStream real = TokenStream.Read(options.Real), written = TokenStream.Read(options.Written);
        var trainer = new Trainer(model, teacher, real, written, options.Steps, options.Done);
        trainer.Run(step =>
        {
            Checkpoint.Save(options.Weights, model);
            Console.WriteLine($"step {step,5}  held-out loss {HeldOutLoss(model, heldOut):f4}");
            Console.WriteLine(Write(model, teacher.Tokenizer, options.Prompt, temperature: 0, limit: 150));
        });
    }

    private static void Evaluate(Options options)
    {
        using var teacher = new Teacher(options.Teacher);
        using Llama model = Checkpoint.Load(options.Weights);
        TokenStream heldOut = TokenStream.Read(options.HeldOut);
        double own = HeldOutLoss(model, heldOut);
        double teachers = Trainer.Evaluate(tokens => teacher.Probabilities(tokens).log(), heldOut, model.Shape.Context);
        Console.WriteLine($"model    loss {own:f4}  perplexity {Math.Exp(own):f4}");
        Console.WriteLine($"teacher  loss {teachers:f4}  perplexity {Math.Exp(teachers):f4}");
    }

    private static void Sample(Options options)
    {
        using var teacher = new Teacher(options.Teacher);
        using Llama model = Checkpoint.Load(options.Weights);
        foreach (double temperature in (ReadOnlySpan<double>)[0, 0.8, 0.8, 0.8])
            Console.WriteLine($"--- temperature {temperature}\n{Write(model, teacher.Tokenizer, options.Prompt, temperature)}");
    }

    private static double HeldOutLoss(Llama model, TokenStream heldOut) =>
        Trainer.Evaluate(tokens => F.log_softmax(model.Forward(tokens), -1), heldOut, model.Shape.Context);

    private static string Write(Llama model, Tokenizer tokenizer, string prompt, double temperature, int limit = 500)
    {
        using var none = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var cache = new KvCache(model.Shape, batch: 1);
        List<int> tokens = [.. tokenizer.Encode(prompt)];
        Tensor input = tensor(tokens.Select(token => (long)token).ToArray()).view(1, -1);
        while (tokens.Count < Math.Min(limit, model.Shape.Context))
        {
            Tensor logits = model.Forward(input, cache).select(1, -1);
            input = temperature == 0 ? logits.argmax(-1, keepdim: true) : multinomial((logits / temperature).softmax(-1), 1);
            tokens.Add((int)input.item<long>());
            if (tokens[^1] == Mark.End) break;
        }
        return tokenizer.Decode([.. tokens]);
    }
}
