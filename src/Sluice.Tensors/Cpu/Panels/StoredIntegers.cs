using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Panels of a format that has no packed form: the stored blocks, decomposed each time.</summary>
internal sealed unsafe class StoredIntegers : IntegerPanels
{
    private readonly WeightData data;
    private readonly IntegerFormat format;

    public StoredIntegers(WeightData data, IntegerFormat format)
        : base(data, format) => (this.data, this.format) = (data, format);

    public override long Bytes => data.RowBytes * Rows * Experts;

    public override byte* Unpack(int panel, int column, int groups, byte* codes, float* scales)
    {
        (int expert, int first, int count) = Locate(panel);
        int parts = Kind.Parts;
        sbyte* quants = stackalloc sbyte[Stretch];
        float* own = stackalloc float[2 * Stretch / 16];
        new Span<byte>(codes, groups * GroupCodes).Clear();
        new Span<float>(scales, groups * Kind.ScalesPerGroup).Clear();
        for (int done = 0; done < groups; done += Stretch / Group)
        {
            int here = Math.Min(groups - done, Stretch / Group), columns = here * Group;
            long start = format.Bytes(column + done * Group);
            for (int r = 0; r < count; r++)
            {
                float* mins = own + here * parts;
                format.Decompose(
                    data.Row(first + r, expert).Slice((int)start, (int)format.Bytes(columns)), new Span<sbyte>(quants, columns),
                    new Span<float>(own, here * parts), new Span<float>(mins, Kind.HasMin ? here * parts : 0));
                if (Kind.Offset != 0)
                    Fields.Add(new Span<sbyte>(quants, columns), (sbyte)Kind.Offset);
                int* target = (int*)(codes + done * GroupCodes) + r;
                for (int j = 0; j < columns / 4; j++)
                    target[j * Height] = ((int*)quants)[j];
                for (int g = 0; g < here; g++)
                {
                    float* to = scales + (done + g) * Kind.ScalesPerGroup + r;
                    for (int part = 0; part < parts; part++)
                    {
                        to[part * Height] = own[g * parts + part];
                        if (Kind.HasMin)
                            to[(parts + part) * Height] = mins[g * parts + part];
                    }
                }
            }
        }
        return codes;
    }
}
