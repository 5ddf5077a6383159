using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Sluice.Grammars.Json;
using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Grammars;

/// <summary>
/// What a generated text must look like: at each place only tokens that go on as the grammar says can be chosen, so that a text
/// that comes to its end is always valid. Made once, used by any number of requests at the same time; what is computed on the way
/// is kept with it, so use the same object again for the same grammar.
/// </summary>
/// <example>
/// <code>
/// Grammar grammar = Grammar.FromJsonSchema("""{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]}""");
/// engine.Generate("A person:", new Request { Prompt = [], Grammar = grammar });
/// </code>
/// </example>
public sealed class Grammar
{
    private const int MostText = 1 << 20;

    private readonly Program _program;
    private readonly ConditionalWeakTable<Tokenizer, CompiledGrammar> _compiled = [];

    /// <summary>A grammar of parts.</summary>
    /// <exception cref="GrammarException">No text can match, or there is too much of it.</exception>
    public Grammar(GrammarPart part)
        : this(part.Expression)
    {
    }

    internal Grammar(Expression expression)
    {
        Expression = expression;
        _program = Program.Of(new Rule("root") { Body = expression });
    }

    /// <summary>What it was made of, to be put together with more.</summary>
    internal Expression Expression { get; }

    /// <summary>Any JSON object.</summary>
    public static Grammar JsonObject { get; } = new(new JsonValues().Object);

    /// <summary>JSON that is valid by a schema (docs/structured-output.md says what of JSON Schema is supported).</summary>
    /// <param name="schema">The schema, as JSON.</param>
    /// <exception cref="GrammarException">It is not JSON, not a schema, or uses a keyword that is not supported: the message says where.</exception>
    public static Grammar FromJsonSchema(string schema)
    {
        Check(schema, "schema");
        try
        {
            using JsonDocument document = JsonDocument.Parse(schema, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return FromJsonSchema(document.RootElement);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException) // of names with half a surrogate pair
        {
            throw new GrammarException("The schema is not valid JSON: " + error.Message);
        }
    }

    /// <summary>As the other, of a schema that is already read.</summary>
    /// <exception cref="GrammarException">It is not a schema, or uses a keyword that is not supported: the message says where.</exception>
    public static Grammar FromJsonSchema(JsonElement schema) => new(JsonSchema.Compile(schema));

    /// <summary>Texts that match a regular expression as a whole.</summary>
    /// <param name="pattern">
    /// ECMAScript's syntax, but for lookaround, backreferences and word boundaries, which are refused; <c>^</c> and <c>$</c> may
    /// stand at its ends.
    /// </param>
    /// <exception cref="GrammarException">It is malformed or uses what is not supported.</exception>
    public static Grammar FromRegex(string pattern)
    {
        Check(pattern, "pattern");
        return new(RegexParser.Parse(pattern, Utf8Bytes.Of, isSearch: false));
    }

    /// <summary>One of some texts.</summary>
    /// <exception cref="GrammarException">There is none.</exception>
    public static Grammar FromChoice(IEnumerable<string> texts)
    {
        string[] all = [.. texts];
        foreach (string text in all)
            Check(text, "text of a choice");
        return all.Length == 0 ? throw new GrammarException("A choice needs at least one text.")
            : new(Expression.Any([.. all.Select(Expression.Text)]));
    }

    /// <summary>Texts of a grammar in GBNF, llama.cpp's notation; it begins with the rule <c>root</c>.</summary>
    /// <exception cref="GrammarException">It is malformed: the message says where.</exception>
    public static Grammar FromGbnf(string grammar)
    {
        Check(grammar, "grammar");
        return new(GbnfParser.Parse(grammar));
    }

    /// <summary>Whether a text is valid as a whole.</summary>
    public bool IsMatch(string text)
    {
        Automaton automaton = new(_program);
        State state = automaton.Start();
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            automaton.Begin();
            state = automaton.Step(state, value);
        }
        return state.IsEnd;
    }

    /// <summary>Follows a text of a vocabulary from its beginning.</summary>
    internal GrammarMatcher Match(Tokenizer tokenizer) =>
        new(_compiled.GetValue(tokenizer, tokenizer => new CompiledGrammar(_program, tokenizer)));

    private static void Check(string text, string what)
    {
        if (text.Length > MostText)
            throw new GrammarException($"The {what} is too long: {text.Length:N0} characters; {MostText:N0} are allowed.");
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && !(i + 1 < text.Length && char.IsSurrogatePair(text[i], text[++i])))
                throw new GrammarException($"The {what} is not valid Unicode: character {i + 1} is half a surrogate pair.");
        }
    }
}
