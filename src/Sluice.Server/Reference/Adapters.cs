using static Sluice.Server.Reference.Field;

namespace Sluice.Server.Reference;

/// <summary>What the endpoints of LoRA adapters take and answer.</summary>
internal static class Adapters
{
    private const string Tag = "Adapters";

    public static Description Load => new(Tag, "Loads a LoRA adapter, where the server was told to allow it.")
    {
        Body =
        [
            Text("lora_name", "The name by which requests ask for it, as their model.").Required(),
            Text("lora_path", "A GGUF file or a PEFT folder on the server's machine.").Required(),
        ],
        MediaType = "text/plain",
        Example = """{"lora_name": "pirate", "lora_path": "/adapters/pirate.gguf"}""",
    };

    public static Description Unload => new(Tag, "Forgets a LoRA adapter; requests that have it finish.")
    {
        Body = [Text("lora_name", "The adapter.").Required()],
        MediaType = "text/plain",
        Example = """{"lora_name": "pirate"}""",
    };
}
