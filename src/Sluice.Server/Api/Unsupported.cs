using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>Fields of OpenAI's API that Sluice knows and cannot serve yet: each refused in one place, to be replaced by its reading.</summary>
internal static class Unsupported
{
    /// <summary>Answers of a given form.</summary>
    public static void ResponseFormat(RequestFields fields, string name = "response_format")
    {
        if (fields.Object(name) is not { } format)
            return;
        if (format.Text("type") is not "text")
            throw ApiException.Unsupported(fields.Path(name), $"{fields.Path(name)} other than text is not supported yet.");
        format.CheckAllRead();
    }
}
