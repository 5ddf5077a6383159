using System.Text;
using System.Text.Json;

namespace Sluice.Tokenizers.Json;

/// <summary>Which tokens a <c>tokenizer.json</c>'s post-processor puts before and after a text.</summary>
internal static class JsonTemplate
{
    /// <exception cref="InvalidDataException">It names a token that there is not.</exception>
    /// <exception cref="NotSupportedException">It is of a kind that is not known.</exception>
    public static (int[] Before, int[] After) Read(JsonElement root, string source, TokenMap map)
    {
        List<int> before = [];
        List<int> after = [];
        if (root.TryGetProperty("post_processor", out JsonElement processor))
            Add(processor);
        return ([.. before], [.. after]);

        void Add(JsonElement part)
        {
            if (part.ValueKind is JsonValueKind.Null)
                return;
            switch (part.GetProperty("type").GetString())
            {
                case "Sequence":
                    foreach (JsonElement inner in part.GetProperty("processors").EnumerateArray())
                        Add(inner);
                    break;
                case "TemplateProcessing":
                    Template(part.GetProperty("single"));
                    break;
                case "BertProcessing" or "RobertaProcessing":
                    before.Insert(0, Find(part.GetProperty("cls")[0]));
                    after.Add(Find(part.GetProperty("sep")[0]));
                    break;
                case "ByteLevel":
                    break; // offsets alone
                case var type:
                    throw new NotSupportedException($"{source}: post_processor.type is '{type}', which is not supported.");
            }
        }

        void Template(JsonElement pieces)
        {
            bool isAfter = false;
            List<int> first = [];
            foreach (JsonElement piece in pieces.EnumerateArray())
            {
                if (piece.TryGetProperty("Sequence", out _))
                    isAfter = true;
                else
                    (isAfter ? after : first).Add(Find(piece.GetProperty("SpecialToken").GetProperty("id")));
            }
            before.InsertRange(0, first);
        }

        int Find(JsonElement text) => map.Find(Encoding.UTF8.GetBytes(text.GetString()!)) is var id && id >= 0
            ? id
            : throw new InvalidDataException(
                $"{source}: post_processor: the token '{text.GetString()}' is not in the vocabulary.");
    }
}
