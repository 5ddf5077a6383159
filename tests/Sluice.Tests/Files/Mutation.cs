using System.Buffers.Binary;

namespace Sluice.Files;

/// <summary>Damages a file: one to four times, each time in one of the ways that find bugs in readers.</summary>
internal static class Mutation
{
    // Numbers at which comparisons, sums and products go wrong.
    private static readonly ulong[] Numbers =
    [
        0, 1, 2, 3, 7, 8, 9, 12, 13, 16, 31, 32, 64, 127, 128, 255, 256, 4096, 65535, 1 << 20, int.MaxValue, 1ul << 31, uint.MaxValue, 1ul << 32,
        1ul << 40, 1ul << 60, (1ul << 60) + 1, (1ul << 61) - 1, long.MaxValue, 1ul << 63, ulong.MaxValue - 31, ulong.MaxValue,
    ];

    public static byte[] Mutate(byte[] file, Random random)
    {
        List<byte> bytes = [.. file];
        for (int times = random.Next(1, 5); times > 0 && bytes.Count > 0; times--)
            MutateOnce(bytes, random);
        return [.. bytes];
    }

    private static void MutateOnce(List<byte> bytes, Random random)
    {
        // Headers are where readers err: half of the damage goes to the first 200 bytes.
        int at = random.Next(random.Next(2) == 0 ? Math.Min(200, bytes.Count) : bytes.Count);
        switch (random.Next(8))
        {
            case 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 3:
                Overwrite(bytes, at, random.Next(2) == 0 ? sizeof(uint) : sizeof(ulong), Numbers[random.Next(Numbers.Length)]);
                break;
            case 4:
                byte[] piece = Piece(bytes, random);
                bytes.InsertRange(at, piece);
                break;
            case 5:
                piece = Piece(bytes, random);
                for (int i = 0; i < piece.Length && at + i < bytes.Count; i++)
                    bytes[at + i] = piece[i];
                break;
            case 6:
                bytes.RemoveRange(at, Math.Min(random.Next(1, 17), bytes.Count - at));
                break;
            default:
                // Text: a digit for a digit, or a piece of punctuation.
                int digit = bytes.FindIndex(at, value => value is >= (byte)'0' and <= (byte)'9');
                if (digit >= 0 && random.Next(2) == 0)
                    bytes[digit] = (byte)random.Next('0', '9' + 1);
                else
                    bytes[at] = (byte)"{}[]\",:-\\.e0"[random.Next(12)];
                break;
        }
    }

    private static byte[] Piece(List<byte> bytes, Random random)
    {
        int start = random.Next(bytes.Count);
        return [.. bytes.GetRange(start, Math.Min(random.Next(1, 65), bytes.Count - start))];
    }

    private static void Overwrite(List<byte> bytes, int at, int size, ulong number)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(value, number);
        for (int i = 0; i < size && at + i < bytes.Count; i++)
            bytes[at + i] = value[i];
    }
}
