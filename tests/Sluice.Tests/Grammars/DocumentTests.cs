using Sluice.Grammars;

namespace Sluice.Tests.Grammars;

/// <summary>Valid documents are accepted, others are not; what a schema cannot have is said by name.</summary>
public class DocumentTests
{
    private const string Person = """
        {"title":"Person","type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":"integer","minimum":0},
        "friends":{"type":"array","items":{"$ref":"#"},"maxItems":2}},"required":["name"],"additionalProperties":false}
        """;

    [Theory]
    [InlineData(Person, """{"name":"Ann"}""", true)]
    [InlineData(Person, """{ "name": "Ann", "age": 7, "friends": [ { "name": "Bob" } ] }""", true)]
    [InlineData(Person, "{\n  \"name\": \"A\\n\\u00e9\\ud83d\\ude00\",\n  \"friends\": []\n}", true)]
    [InlineData(Person, """{}""", false)]
    [InlineData(Person, """{"name":""}""", false)]
    [InlineData(Person, """{"name":"Ann","age":-1}""", false)]
    [InlineData(Person, """{"name":"Ann","age":01}""", false)]
    [InlineData(Person, """{"name":"Ann","height":1}""", false)]
    [InlineData(Person, """{"name":"Ann",}""", false)]
    [InlineData(Person, """{"name":"Ann"}}""", false)]
    [InlineData(Person, """{"name":"\ud83d"}""", false)]
    [InlineData(Person, "{\"name\":\"\n\"}", false)]
    [InlineData(Person, """{"name":"Ann","friends":[{"name":"a"},{"name":"b"},{"name":"c"}]}""", false)]
    [InlineData("{}", """{"a":[1,-2.5e3,"x",null,true,{"b":{}}]}""", true)]
    [InlineData("{}", "nul", false)]
    [InlineData("""{"type":"number","minimum":0.5,"exclusiveMaximum":10}""", "0.5", true)]
    [InlineData("""{"type":"number","minimum":0.5,"exclusiveMaximum":10}""", "0.49", false)]
    [InlineData("""{"type":"number","minimum":0.5,"exclusiveMaximum":10}""", "9.999", true)]
    [InlineData("""{"type":"number","minimum":0.5,"exclusiveMaximum":10}""", "10.0", false)]
    [InlineData("""{"type":"integer","minimum":-100,"maximum":-10}""", "-55", true)]
    [InlineData("""{"type":"integer","minimum":-100,"maximum":-10}""", "-9", false)]
    [InlineData("""{"type":"integer","minimum":-100,"maximum":-10}""", "-101", false)]
    [InlineData("""{"type":"integer","multipleOf":3}""", "123456", true)]
    [InlineData("""{"type":"integer","multipleOf":3}""", "123457", false)]
    [InlineData("""{"type":"string","format":"date"}""", "\"2024-02-29\"", true)]
    [InlineData("""{"type":"string","format":"date"}""", "\"2023-02-29\"", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"a":1,"b":"x","aa":"y"}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"b":"x","a":"y"}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}""", """{"\u0061":"y"}""", false)]
    [InlineData("""{"enum":["a/b","\u00e9"]}""", "\"a/b\"", true)]
    [InlineData("""{"enum":["a/b","\u00e9"]}""", "\"é\"", true)]
    public void Documents_are_told_apart(string schema, string document, bool isValid) =>
        Assert.Equal(isValid, Grammar.FromJsonSchema(schema).IsMatch(document));

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string","contentEncoding":"base64"}}}""", "#/properties/a", "contentEncoding")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "#", "uniqueItems")]
    [InlineData("""{"type":"object","patternProperties":{"^x":{}}}""", "#", "patternProperties")]
    [InlineData("""{"not":{"type":"string"}}""", "#", "not")]
    [InlineData("""{"if":{},"then":{}}""", "#", "if")]
    [InlineData("""{"type":"string","format":"regex"}""", "#", "format")]
    [InlineData("""{"type":"string","pattern":"(?=a)b"}""", "#", "pattern")]
    [InlineData("""{"type":"number","multipleOf":0.3}""", "#", "multipleOf")]
    [InlineData("""{"type":"text"}""", "#", "type")]
    [InlineData("""{"type":"integer","minimum":"0"}""", "#", "minimum")]
    [InlineData("""{"type":"array","items":[{}]}""", "#/items", "schema")]
    [InlineData("""{"$ref":"#/$defs/missing"}""", "#", "#/$defs/missing")]
    [InlineData("""{"$ref":"https://example.com/schema"}""", "#", "$ref")]
    [InlineData("""{"anyOf":[]}""", "#", "anyOf")]
    [InlineData("""{"anyOf":[{"$ref":"#"},{"type":"null"}]}""", "#/anyOf/0", "alternative")]
    [InlineData("""{"oneOf":[{"type":"integer"},{"type":"number"}]}""", "#", "oneOf")]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"a":{}}},{"type":"object","properties":{"b":{}}}]}""", "#", "oneOf")]
    [InlineData("""{"type":"object","additionalProperties":true,"minProperties":2}""", "#", "minProperties")]
    [InlineData("""{"type":"object","required":"a"}""", "#", "required")]
    [InlineData("""[1]""", "#", "object")]
    [InlineData("""{"type":"string",}""", "", "JSON")]
    [InlineData("""{"type":"string","type":"null"}""", "", "JSON")]
    public void What_is_not_supported_is_named(string schema, string path, string keyword)
    {
        string message = Assert.Throws<GrammarException>(() => Grammar.FromJsonSchema(schema)).Message;
        Assert.Contains(keyword, message);
        Assert.Contains(path, message);
    }

    [Theory]
    [InlineData("false")]
    [InlineData("""{"type":"integer","minimum":2,"maximum":1}""")]
    [InlineData("""{"type":"string","pattern":"^a$","minLength":2}""")]
    [InlineData("""{"type":"string","enum":[1]}""")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""")]
    [InlineData("""{"type":"array","minItems":3,"maxItems":2}""")]
    public void Schemas_that_nothing_satisfies_are_refused(string schema) =>
        Assert.Contains("No text can ever match", Assert.Throws<GrammarException>(() => Grammar.FromJsonSchema(schema)).Message);

    [Fact]
    public void Ways_without_an_end_are_not_taken()
    {
        Grammar grammar = Grammar.FromJsonSchema("""{"anyOf":[{"type":"array","items":{"$ref":"#/anyOf/0"},"minItems":1},{"type":"boolean"}]}""");
        Assert.True(grammar.IsMatch("true"));
        Assert.Equal("", Prefix(grammar, "[[["));
    }

    /// <summary>As much of a text as some valid text begins with.</summary>
    private static string Prefix(Grammar grammar, string text)
    {
        GrammarMatcher matcher = grammar.Match(Vocabulary.Starter);
        string prefix = "";
        foreach (char c in text)
        {
            int token = Vocabulary.Starter.Encode([c], addSpecial: false)[^1];
            if (!matcher.Allows(token))
                break;
            matcher.Accept(token);
            prefix += c;
        }
        return prefix;
    }
}
