using System.Text.Json;
using Sluice.Chat.Parsing;

namespace Sluice.Tests.Chat;

public class JsonScannerTests
{
    [Fact]
    public void SaysWhatAParserSays()
    {
        const string Alphabet = "{}[]:,\"\\ n0-1.eEau+";
        Random random = new(5);
        string[] seeds =
        [
            """{"a":[1,-0.5e+3,{"b":null}],"c":"x\n\u00e9\"","d":true}""", "{}", """{"":[[],{},""]}""", """{ "a" : -0 , "b" : [ 1e9 , 2 ] }""", """{"t":false}""",
        ];
        int valid = 0;
        for (int round = 0; round < 20_000; round++)
        {
            char[] text = seeds[random.Next(seeds.Length)].ToCharArray();
            for (int changes = random.Next(3); changes > 0; changes--)
                text[random.Next(text.Length)] = Alphabet[random.Next(Alphabet.Length)];
            string json = new(text);
            JsonScanner scanner = new();
            bool isValid = json.All(scanner.Read) && scanner.IsComplete;
            Assert.True(isValid == IsJson(json), json);
            valid += isValid ? 1 : 0;
        }
        Assert.InRange(valid, 5_000, 15_000);
    }

    private static bool IsJson(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object && !char.IsWhiteSpace(text[0]) && !char.IsWhiteSpace(text[^1]);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
