using System.Text.Json;
using Json.Schema;
using Sluice.Grammars;

namespace Sluice.Tests.Grammars;

/// <summary>Whatever is chosen among the allowed tokens is valid, as an independent validator (JsonSchema.Net) sees it.</summary>
public class JsonSchemaTests
{
    private static readonly EvaluationOptions Strict = new() { RequireFormatValidation = true };

    public static TheoryData<string> Schemas =>
    [
        "{}",
        "true",
        """{"type":"object"}""",
        """{"type":["string","null"]}""",
        """{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":130},"mail":{"type":"string","format":"email"}},"required":["name","age"],"additionalProperties":false}""",
        """{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"boolean"},"c":{"const":3},"d":{"enum":["x","y\"z",1.5,null,{"k":[1,2]}]}},"additionalProperties":false}""",
        """{"type":"object","properties":{"id":{"type":"string"},"tags":{"type":"array","items":{"type":"string","maxLength":8},"minItems":2,"maxItems":4}},"required":["tags"],"additionalProperties":{"type":"integer"}}""",
        """{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":3}""",
        """{"type":"array","maxItems":0}""",
        """{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"},{"type":"boolean"}],"items":{"type":"null"},"minItems":2}""",
        """{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}""",
        """{"type":"string","minLength":3,"maxLength":6}""",
        """{"type":"string","minLength":40}""",
        """{"type":"string","pattern":"^[A-Z]{2}-[0-9]{3,5}$"}""",
        """{"type":"string","pattern":"a+b","maxLength":9}""",
        """{"type":"string","pattern":"^(?:\\p{Lu}|\\d|\"|\\\\)+$","minLength":2,"maxLength":5}""",
        """{"type":"string","pattern":"^\\S+\\s\\S+$"}""",
        """{"type":"integer"}""",
        """{"type":"integer","minimum":-7,"maximum":12}""",
        """{"type":"integer","exclusiveMinimum":99,"maximum":1234}""",
        """{"type":"integer","exclusiveMaximum":-5}""",
        """{"type":"integer","multipleOf":7,"minimum":1,"maximum":500}""",
        """{"type":"number","minimum":0,"maximum":1}""",
        """{"type":"number","exclusiveMinimum":-1.25,"exclusiveMaximum":2.5}""",
        """{"type":"number","minimum":3.14}""",
        """{"type":"number","exclusiveMaximum":0}""",
        """{"type":"number","multipleOf":0.01,"minimum":0,"maximum":99.99}""",
        """{"anyOf":[{"type":"integer"},{"type":"object","properties":{"v":{"$ref":"#"}},"required":["v"]}]}""",
        """{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind","x"]},{"type":"object","properties":{"kind":{"const":"b"},"y":{"type":"string"}},"required":["kind"]}]}""",
        """{"oneOf":[{"type":"string"},{"type":"integer"},{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"type":"object","properties":{"b":{"type":"integer"}},"required":["b"]}]}""",
        """{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"string"},"a":{"minimum":5}},"required":["b"]}]}""",
        """{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}],"additionalProperties":false}""",
        """{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}}}""",
        """{"$defs":{"tree":{"type":"object","properties":{"name":{"type":"string","maxLength":5},"children":{"type":"array","items":{"$ref":"#/$defs/tree"},"maxItems":2}},"required":["name"]}},"$ref":"#/$defs/tree"}""",
        """{"type":"object","additionalProperties":{"type":"array","items":{"type":"boolean"}},"maxProperties":3}""",
        """{"type":"object","additionalProperties":{"type":"string","maxLength":3},"minProperties":1}""",
        """{"properties":{"x":{"type":"integer"}},"required":["x","y"]}""",
        """{"type":"string","format":"date"}""",
        """{"type":"string","format":"date-time"}""",
        """{"type":"string","format":"time"}""",
        """{"type":"string","format":"uuid"}""",
        """{"type":"string","format":"ipv4"}""",
        """{"type":"string","format":"ipv6"}""",
        """{"type":"string","format":"email"}""",
        """{"type":"string","format":"hostname"}""",
        """{"type":"string","format":"uri"}""",
        """{"type":"string","format":"duration"}""",
        """{"enum":["red","green","blue",7,-0.5,true,null,"é\u0001😀"]}""",
        """{"enum":[1,5,10,"abcdef"],"maximum":6,"maxLength":3}""",
        """{"type":"object","properties":{"matrix":{"type":"array","items":{"type":"array","items":{"type":"integer","minimum":0,"maximum":9},"minItems":2,"maxItems":2},"minItems":2,"maxItems":3}},"required":["matrix"],"additionalProperties":false}""",
        """{"type":"object","properties":{"a/b~c":{"$ref":"#/properties/d"},"d":{"type":"string","maxLength":2}},"required":["a/b~c"]}""",
    ];

    [Theory]
    [MemberData(nameof(Schemas))]
    public void What_is_allowed_is_valid(string schema)
    {
        Grammar grammar = Grammar.FromJsonSchema(schema);
        JsonSchema validator = JsonSchema.FromText(schema);
        Random random = new(1);
        for (int i = 0; i < 40; i++)
        {
            string text = Vocabulary.RandomText(grammar, Vocabulary.Starter, random);
            using JsonDocument document = JsonDocument.Parse(text);
            Assert.True(validator.Evaluate(document.RootElement, Strict).IsValid, text);
            Assert.True(grammar.IsMatch(text), text);
        }
    }
}
