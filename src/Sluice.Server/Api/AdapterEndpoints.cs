using Microsoft.AspNetCore.Http;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>
/// POST /v1/load_lora_adapter and /v1/unload_lora_adapter, as vLLM has them. They let clients open files of the server's machine, so
/// that they are refused unless the server was told otherwise.
/// </summary>
internal sealed class AdapterEndpoints(ApiContext api)
{
    public async Task LoadAsync(HttpContext context)
    {
        RequestFields fields = await ReadAsync(context);
        (string name, string path) = (Text(fields, "lora_name"), Text(fields, "lora_path"));
        fields.CheckAllRead();
        if (name == api.Model || api.HasAdapter(name))
            throw ApiException.Bad("lora_name", $"The name '{name}' is taken.");
        try
        {
            await Task.Run(() => api.Engine.LoadAdapter(name, path));
        }
        catch (FileNotFoundException error)
        {
            throw new ApiException(StatusCodes.Status404NotFound, error.Message, "lora_path", "not_found");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException
            or ArgumentException or InvalidOperationException and not ObjectDisposedException)
        {
            throw ApiException.Bad("lora_path", error.Message);
        }
        await Reply.TextAsync(context, $"Success: LoRA adapter '{name}' added successfully.", "text/plain");
    }

    public async Task UnloadAsync(HttpContext context)
    {
        RequestFields fields = await ReadAsync(context);
        string name = Text(fields, "lora_name");
        fields.CheckAllRead();
        if (!api.Engine.UnloadAdapter(name))
            throw new ApiException(StatusCodes.Status404NotFound, $"There is no adapter '{name}'.", "lora_name", "not_found");
        await Reply.TextAsync(context, $"Success: LoRA adapter '{name}' removed successfully.", "text/plain");
    }

    private Task<RequestFields> ReadAsync(HttpContext context) => api.Generation.Options.AllowAdapterLoading
        ? RequestFields.ReadAsync(context)
        : throw new ApiException(StatusCodes.Status403Forbidden, "This server loads no adapters on request (sluice serve --allow-lora-loading).", code: "forbidden");

    private static string Text(RequestFields fields, string name)
    {
        string text = fields.Required(fields.Text(name), name);
        return text.Length > 0 ? text : throw fields.Wrong(name, "a text that is not empty");
    }
}
