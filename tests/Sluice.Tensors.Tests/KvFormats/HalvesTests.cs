using Sluice.Tensors.Cpu;

namespace Sluice.Tensors.KvFormats;

[Trait(InstructionSetTests.Trait, "all")]
public sealed unsafe class HalvesTests
{
    [Fact]
    public void Reads_every_half()
    {
        ushort[] halves = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        float[] f16 = new float[65536], bf16 = new float[65536];
        fixed (ushort* from = halves)
        fixed (float* to16 = f16, toB16 = bf16)
        {
            Halves.ReadF16(from, to16, 65536);
            Halves.ReadBF16(from, toB16, 65536);
        }
        for (int i = 0; i < 65536; i++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            if (float.IsNaN(expected))
                Assert.True(float.IsNaN(f16[i]));
            else
                Assert.Equal(BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(f16[i]));
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(bf16[i]));
        }
    }

    [Fact]
    public void Rounds_like_the_runtime_around_every_half()
    {
        // Each half, the middles between neighbours, and the floats next to both.
        List<float> values = [];
        for (int i = 0; i < 65536; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits((float)BitConverter.UInt16BitsToHalf((ushort)i));
            foreach (uint offset in new uint[] { 0, 1, 0xFFF, 0x1000, 0x1001, 0xFFFF_FFFF })
                values.Add(BitConverter.UInt32BitsToSingle(bits + offset));
        }
        Random random = new(3);
        for (int i = 0; i < 100_000; i++)
            values.Add(BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)));
        float[] floats = [.. values];
        ushort[] f16 = new ushort[floats.Length], bf16 = new ushort[floats.Length];
        fixed (float* from = floats)
        fixed (ushort* to16 = f16, toB16 = bf16)
        {
            Halves.WriteF16(from, to16, floats.Length);
            Halves.WriteBF16(from, toB16, floats.Length);
        }
        for (int i = 0; i < floats.Length; i++)
        {
            if (BitConverter.HalfToUInt16Bits((Half)floats[i]) != f16[i])
                Assert.Fail($"{floats[i]:R} became {f16[i]:X4}");
            if (RoundToBFloat(floats[i]) != bf16[i])
                Assert.Fail($"{floats[i]:R} became {bf16[i]:X4}");
        }
    }

    [Fact]
    public void Every_length_stays_inside()
    {
        using GuardedTensors memory = new();
        Random random = new(5);
        for (int length = 0; length <= 70; length++)
        {
            Tensor x = memory.Random(random, 1, Math.Max(1, length));
            ushort* halves = (ushort*)memory.Allocate(length * 2);
            float* back = (float*)memory.Allocate(length * 4);
            Halves.WriteF16(x.Data, halves, length);
            Halves.ReadF16(halves, back, length);
            for (int i = 0; i < length; i++)
                Assert.Equal((float)(Half)x.Data[i], back[i]);
            Halves.WriteBF16(x.Data, halves, length);
            Halves.ReadBF16(halves, back, length);
            for (int i = 0; i < length; i++)
                Assert.Equal(RoundToBFloat(x.Data[i]), BitConverter.SingleToUInt32Bits(back[i]) >> 16);
        }
    }

    // By exact arithmetic: of the two neighbours the nearer, or the even one.
    private static uint RoundToBFloat(float value)
    {
        uint down = BitConverter.SingleToUInt32Bits(value) >> 16;
        if (float.IsNaN(value))
            return down | 0x40;
        uint rest = BitConverter.SingleToUInt32Bits(value) & 0xFFFF;
        return rest > 0x8000 || (rest == 0x8000 && (down & 1) == 1) ? down + 1 : down;
    }
}
