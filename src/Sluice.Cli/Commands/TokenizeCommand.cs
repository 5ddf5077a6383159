using System.CommandLine;
using System.Text;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;
using Sluice.Files;
using Sluice.Tokenizers;

namespace Sluice.Cli.Commands;

/// <summary>The token ids of a text.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        Option<string?> model = new("--model", "-m") { Description = "A GGUF file or a Hugging Face folder.", HelpName = "PATH" };
        Argument<string?> text = new("TEXT") { Description = "The text.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> file = new("--file", "-f") { Description = "Read the text from this file, as UTF-8.", HelpName = "PATH" };
        Option<bool> noBos = new("--no-bos") { Description = "Leave out the tokens that the model wants around a text." };
        Option<bool> special = new("--special") { Description = "Read names of control tokens in the text as these tokens." };
        Option<bool> pieces = new("--pieces") { Description = "One token a line, with its text." };
        Option<bool> json = new("--json") { Description = "Write JSON." };
        SluiceCommand command = new(
            "tokenize", "Show the token ids of a text.",
            "sluice tokenize --model llama.gguf \"Hello world\"",
            """sluice tokenize --model llama.gguf --no-bos --pieces --file story.txt""")
        {
            text, model, file, noBos, special, pieces, json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(text) is { Tokens.Count: > 0 } == result.GetResult(file) is not null)
                result.AddError("Give either a TEXT or a --file.");
        });
        command.SetAction(parsed =>
        {
            using ModelFile opened = ModelFile.Open(parsed.GetValue(model) ?? DefaultModel.Path);
            Tokenizer tokenizer = Tokenizer.FromModel(opened);
            string input = parsed.GetValue(text) ?? File.ReadAllText(parsed.GetValue(file)!);
            int[] tokens = tokenizer.Encode(input, addSpecial: !parsed.GetValue(noBos), parseSpecial: parsed.GetValue(special));
            Write(tokenizer, tokens, parsed.GetValue(pieces), parsed.GetValue(json));
            return CommandLine.Done;
        });
        return command;
    }

    private static void Write(Tokenizer tokenizer, int[] tokens, bool pieces, bool json)
    {
        if (json)
        {
            Json.Write(new TokenizeResult(tokens, pieces ? [.. tokens.Select(tokenizer.PieceText)] : null));
            return;
        }
        StringBuilder output = new();
        if (pieces)
        {
            foreach (int token in tokens)
                output.Append(token).Append('\t').AppendLine(Escape(tokenizer.PieceText(token)));
        }
        else
        {
            output.AppendLine(string.Join(' ', tokens));
        }
        Console.Out.Write(output);
    }

    /// <summary>A piece within one line.</summary>
    private static string Escape(string piece) =>
        piece.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t");
}
