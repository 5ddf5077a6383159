using System.CommandLine;
using System.Runtime.InteropServices;
using Sluice.Cache;
using Sluice.Cli.Arguments;
using Sluice.Cli.Output;

namespace Sluice.Cli.Commands;

/// <summary>The logits of every one of some tokens, raw.</summary>
internal static class LogitsCommand
{
    public static Command Create()
    {
        ModelArguments model = new(kvType: "f32"); // logits are compared to many digits
        AdapterArguments adapter = new();
        Option<int[]> tokens = Parsing.Integers("--tokens", "The token ids.", 0, null);
        tokens.Required = true;
        Option<string> output = new("--out", "-o")
        {
            Description = "The file to write: little-endian float32 [tokens, vocabulary], nothing else.",
            HelpName = "PATH",
            Required = true,
        };
        SluiceCommand command = new(
            "logits", "Write the raw logits of some tokens.",
            "sluice logits --model llama.gguf --tokens 1,403,407 --out logits.f32");
        model.AddTo(command, isRequired: true);
        adapter.AddTo(command);
        command.Add(tokens);
        command.Add(output);
        command.SetAction((parsed, cancellation) =>
        {
            int[] ids = parsed.GetValue(tokens)!;
            string path = parsed.GetValue(output)!;
            OutputFile.Check(path);
            using Runner runner = KnownTokens.Load(model.Path(parsed)!, model.Options(parsed), contextIfNotGiven: ids.Length);
            string part = path + ".part"; // a file of that name is always whole
            try
            {
                using (FileStream stream = new(part, FileMode.Create, FileAccess.Write))
                {
                    using SequenceCache sequence = runner.Cache.CreateSequence(adapter.Load(parsed, runner)[0]);
                    KnownTokens.Run(
                        runner, sequence, ids, firstWanted: 0,
                        (_, logits) => stream.Write(MemoryMarshal.AsBytes((ReadOnlySpan<float>)logits)), cancellation);
                }
                File.Move(part, path, overwrite: true);
            }
            finally
            {
                File.Delete(part);
            }
            Terminal.Note($"{path}: float32 [{ids.Length}, {runner.Model.Config.Vocabulary}]");
            return Task.FromResult(CommandLine.Done);
        });
        return command;
    }
}
