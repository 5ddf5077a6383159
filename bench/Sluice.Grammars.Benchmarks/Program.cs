using System.Diagnostics;
using System.Text.Json;
using Sluice.Files;
using Sluice.Grammars;
using Sluice.Grammars.Machine;
using Sluice.Sampling;
using Sluice.Tokenizers;

// What a grammar costs, a token: the mask, its application to the logits, and the step to the next state.
//   dotnet run -c Release --project bench/Sluice.Grammars.Benchmarks -- ../shared/golden/tokenizers/qwen2.gguf [TEXTS]
// cold: the first text of a grammar that was just made; new texts: others with the same grammar, whose states may be new; known: the
// same texts again. Documents are written as programs write them; others are chosen at random among what the grammar allows, which no
// model that was trained does: nearly all of their states are new.
using ModelFile file = ModelFile.Open(args[0]);
Tokenizer tokenizer = Tokenizer.FromModel(file);
int count = args.Length > 1 ? int.Parse(args[1]) : 200;
long start = Stopwatch.GetTimestamp();
_ = TokenTree.Of(tokenizer);
Console.WriteLine($"{tokenizer.VocabularySize:N0} tokens, their tree made in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:f0} ms");

const string Schema = """
    {"type":"object","properties":{"title":{"type":"string","maxLength":80},"summary":{"type":"string"},"rating":{"type":"number","minimum":0,"maximum":5},
    "kind":{"enum":["book","film","song"]},"items":{"type":"array","minItems":1,"maxItems":10,"items":{"type":"object","properties":{"id":{"type":"integer","minimum":1},
    "name":{"type":"string"},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z ]+$"}},"price":{"anyOf":[{"type":"number"},{"type":"null"}]}},
    "required":["id","name","tags","price"],"additionalProperties":false}},"extra":{"type":"object","additionalProperties":{"type":"string"}}},
    "required":["title","summary","rating","kind","items"],"additionalProperties":false}
    """;
const string Strings = """
    {"type":"object","properties":{"mail":{"type":"string","format":"email"},"date":{"type":"string","format":"date"},"id":{"type":"string","format":"uuid"},
    "code":{"type":"string","pattern":"^[A-Z]{2}-[0-9]{4}$"},"slug":{"type":"string","pattern":"^[a-z0-9-]{3,40}$"},
    "bio":{"type":"string","minLength":20,"maxLength":400}},"required":["mail","date","id","code","slug","bio"],"additionalProperties":false}
    """;
const string Numbers = """
    {"type":"array","minItems":5,"maxItems":40,"items":{"type":"object","properties":{"latitude":{"type":"number","minimum":-90,"maximum":90},
    "age":{"type":"integer","minimum":0,"maximum":150},"price":{"type":"number","exclusiveMinimum":0,"multipleOf":0.01},"score":{"type":"number"}},
    "required":["latitude","age","price","score"]}}
    """;
const string Tree = """
    {"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"kind":{"enum":["and","or","not","leaf"]},"label":{"type":"string"},
    "children":{"type":"array","items":{"$ref":"#/$defs/node"},"maxItems":4}},"required":["kind","label"],"additionalProperties":false}}}
    """;
float[] logits = new float[tokenizer.VocabularySize];
Random random = new(1);
int[][] documents = [.. Enumerable.Range(0, count).Select(_ => tokenizer.Encode(Document(random), addSpecial: false))];
Run("schema, documents", () => Grammar.FromJsonSchema(Schema), documents);
Run("any JSON object, documents", MakeJson, documents);
Run("schema, at random", () => Grammar.FromJsonSchema(Schema));
Run("any JSON object, at random", MakeJson);
Run("strings, at random", () => Grammar.FromJsonSchema(Strings));
Run("numbers, at random", () => Grammar.FromJsonSchema(Numbers));
Run("tree, at random", () => Grammar.FromJsonSchema(Tree));

start = Stopwatch.GetTimestamp();
ulong[] all = [.. Enumerable.Repeat(0x5555555555555555UL, (logits.Length + 63) / 64)];
for (int i = 0; i < 1000; i++)
    VectorMath.Mask(logits, all);
Console.WriteLine($"of which the application to the logits {Stopwatch.GetElapsedTime(start).TotalMicroseconds / 1000:f1} us");

void Run(string name, Func<Grammar> make, int[][]? texts = null)
{
    texts ??= AtRandom(make(), count);
    Measure(make(), texts[..1], []); // compiles this program
    long begin = Stopwatch.GetTimestamp();
    Grammar grammar = make();
    Console.WriteLine($"{name}: made in {Stopwatch.GetElapsedTime(begin).TotalMilliseconds:f2} ms");
    Report("cold", texts[..1]);
    Report("new texts", texts[1..]);
    Report("known", texts);

    void Report(string what, int[][] texts)
    {
        List<double> times = [];
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        Measure(grammar, texts, times);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        times.Sort();
        Console.WriteLine($"  {what,-10} {times.Count,6} tokens: mean {times.Average(),7:f1} us, median {times[times.Count / 2],6:f1}, "
            + $"p99 {times[times.Count * 99 / 100],7:f1}, max {times[^1],8:f1}; {allocated / times.Count:N0} bytes a token");
    }
}

// Texts token by token, with a liking for what ends strings, arrays and objects: or they would not end.
int[][] AtRandom(Grammar grammar, int count)
{
    int[] closing = [.. new[] { "\"", "]", "}" }.Select(text => tokenizer.Encode(text, addSpecial: false)[^1])];
    int[][] texts = new int[count][];
    for (int i = 0; i < count; i++)
    {
        List<int> tokens = [], allowed = [];
        for (GrammarMatcher matcher = grammar.Match(tokenizer); !matcher.CanEnd; matcher.Accept(tokens[^1]))
        {
            allowed.Clear();
            ReadOnlySpan<ulong> bits = matcher.Allowed;
            for (int id = 0; id < bits.Length * 64; id++)
            {
                if ((bits[id / 64] >> (id % 64) & 1) != 0)
                    allowed.Add(id);
            }
            int[] ends = [.. closing.Where(allowed.Contains)];
            tokens.Add(ends.Length > 0 && random.NextDouble() < 0.2 ? ends[random.Next(ends.Length)] : allowed[random.Next(allowed.Count)]);
        }
        texts[i] = [.. tokens];
    }
    return texts;
}

void Measure(Grammar grammar, int[][] texts, List<double> times)
{
    foreach (int[] text in texts)
    {
        GrammarMatcher matcher = grammar.Match(tokenizer);
        foreach (int token in text)
        {
            long begin = Stopwatch.GetTimestamp();
            VectorMath.Mask(logits, matcher.Allowed);
            matcher.Accept(token);
            times.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
        }
        if (!matcher.CanEnd)
            throw new InvalidOperationException("A document is not valid.");
    }
}

// As Grammar.JsonObject, but with nothing known of it yet.
static Grammar MakeJson() => Grammar.FromJsonSchema("""{"type":"object"}""");

static string Document(Random random)
{
    string[] words = "the a little dog and cat was very happy in garden because they could play with friends all day until sun went down Lily Tom said yes große Straße 日本 naïve".Split(' ');
    return JsonSerializer.Serialize(
        new
        {
            title = Text(1, 8),
            summary = Text(10, 60),
            rating = random.Next(0, 51) / 10m,
            kind = new[] { "book", "film", "song" }[random.Next(3)],
            items = Enumerable.Range(0, random.Next(1, 8)).Select(i => new
            {
                id = random.Next(1, 100_000),
                name = Text(1, 5),
                tags = Enumerable.Range(0, random.Next(4)).Select(_ => words[random.Next(20)].ToLowerInvariant()),
                price = random.Next(3) == 0 ? (decimal?)null : random.Next(1, 10_000) / 100m,
            }),
            extra = new { note = Text(1, 20), source = Text(1, 3) },
        },
        new JsonSerializerOptions { WriteIndented = random.Next(2) == 0, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    string Text(int least, int most) => string.Join(' ', Enumerable.Range(0, random.Next(least, most + 1)).Select(_ => words[random.Next(words.Length)]));
}
