using System.Text.Json;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// Adds what the folder says about special tokens and chat templates to the metadata, under GGUF's keys. The vocabulary itself
/// stays in <c>tokenizer.json</c>.
/// </summary>
internal static class TokenizerConfig
{
    private const string TemplateKey = "tokenizer.chat_template";

    /// <summary>
    /// Adds <c>tokenizer.ggml.bos_token_id</c>, <c>eos_token_id</c>, <c>padding_token_id</c>, <c>add_bos_token</c> and
    /// <c>add_eos_token</c> where they are known; <c>tokenizer.ggml.eos_token_ids</c>, an array, with every token that ends a
    /// text (GGUF has no key for more than one); and <c>tokenizer.chat_template</c>, for others than the default with
    /// <c>.NAME</c>.
    /// </summary>
    public static void AddTo(Metadata metadata, string folder, JsonFile config)
    {
        // What generation uses overrides what training used.
        JsonFile? generation = JsonFile.ReadIfThere(Path.Combine(folder, "generation_config.json"));
        AddId(metadata, "bos_token_id", generation, config, "bos_token_id");
        AddId(metadata, "eos_token_id", generation, config, "eos_token_id");
        AddId(metadata, "padding_token_id", generation, config, "pad_token_id");
        if (Ids(generation, config, "eos_token_id") is { Length: > 0 } ends)
            metadata.Add("tokenizer.ggml.eos_token_ids", ends);

        JsonFile? tokenizer = JsonFile.ReadIfThere(Path.Combine(folder, "tokenizer_config.json"));
        foreach (string key in (ReadOnlySpan<string>)["add_bos_token", "add_eos_token"])
        {
            if (tokenizer?.BoolOrNull(key) is { } add)
                metadata.Add($"tokenizer.ggml.{key}", add);
        }
        AddTemplates(metadata, folder, tokenizer);
    }

    private static int[] Ids(JsonFile? generation, JsonFile config, string key) =>
        generation?.TokenIds(key) is { Length: > 0 } ids ? ids : config.TokenIds(key);

    private static void AddId(Metadata metadata, string name, JsonFile? generation, JsonFile config, string key)
    {
        if (Ids(generation, config, key) is [int first, ..])
            metadata.Add($"tokenizer.ggml.{name}", (uint)first);
    }

    private static void AddTemplates(Metadata metadata, string folder, JsonFile? tokenizer)
    {
        string file = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(file))
        {
            metadata.Add(TemplateKey, File.ReadAllText(file));
            return;
        }
        if (tokenizer is null || !tokenizer.TryGet("chat_template", out JsonElement value))
            return;
        if (value.ValueKind is not JsonValueKind.Array)
        {
            metadata.Add(TemplateKey, tokenizer.Text("chat_template", value));
            return;
        }
        foreach (JsonFile entry in tokenizer.Objects("chat_template", value))
        {
            string name = entry.TextOrNull("name") ?? throw entry.Missing("name");
            string template = entry.TextOrNull("template") ?? throw entry.Missing("template");
            metadata.Add(name == "default" ? TemplateKey : $"{TemplateKey}.{name}", template);
        }
    }
}
