using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// IEEE half precision and bfloat16 to and from float32, rounded to the nearest with ties to even. Infinities, subnormals and
/// the sign and upper payload of NaNs are kept, as .NET's own conversions do.
/// </summary>
internal static unsafe class Halves
{
    public static void ReadF16(ushort* from, float* to, int count)
    {
        if (HalfKernel.IsSupported && count >= HalfKernel.Unit)
        {
            int units = count / HalfKernel.Unit, done = units * HalfKernel.Unit;
            HalfKernel.Run(from, to, units);
            from += done;
            to += done;
            count -= done;
        }
        Traverse.Run(new FromF16(from, to), count);
    }

    public static void WriteF16(float* from, ushort* to, int count) => Traverse.Run(new ToF16(from, to), count);

    public static void ReadBF16(ushort* from, float* to, int count) => Traverse.Run(new FromBF16(from, to), count);

    public static void WriteBF16(float* from, ushort* to, int count) => Traverse.Run(new ToBF16(from, to), count);

    private readonly struct FromF16(ushort* from, float* to) : IStep
    {
        // Moved to where a single keeps them, a half's exponent and fraction mean 2^-112 times its value, subnormals
        // included, so one exact multiplication converts both. Infinity and NaN, of the highest exponent, keep it. The sign, extended
        // when loaded, stands in the three bits below its place too, and is masked out of them.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V moved = S.And(S.ShiftLeft(S.LoadInt16((short*)from + i), 13), S.CreateBits(0x8FFF_E000));
            V value = S.Multiply(moved, S.CreateBits(0x7780_0000 /* 2^112 */));
            V exponent = S.CreateBits(0x0F80_0000);
            V special = S.EqualBits(S.And(moved, exponent), exponent);
            S.Store(to + i, S.Select(special, S.Or(moved, S.CreateBits(0x7F80_0000)), value));
        }
    }

    private readonly struct ToF16(float* from, ushort* to) : IStep
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V x = S.Load(from + i);
            V size = S.And(x, S.CreateBits(0x7FFF_FFFF));
            // Normal: rebias the exponent by -112, add half a unit (less one where the last kept bit is 0), and cut.
            V odd = S.And(S.ShiftRight(size, 13), S.CreateBits(1));
            V normal = S.ShiftRight(S.AddBits(S.AddBits(size, S.CreateBits(0xC800_0FFF)), odd), 13);
            // Subnormal: a half's last place, 2^-24, is that of 0.5 as a single, so that adding 0.5 rounds to it.
            V subnormal = S.AddBits(S.Add(size, S.Create(0.5f)), S.CreateBits(unchecked(0u - 0x3F00_0000)));
            V half = S.Select(S.LessThan(size, S.CreateBits(0x3880_0000 /* 2^-14 */)), subnormal, normal);
            half = S.Select(S.LessThan(S.CreateBits(0x477F_FFFF), size), S.CreateBits(0x7C00), half);
            V payload = S.Or(S.And(S.ShiftRight(size, 13), S.CreateBits(0x3FF)), S.CreateBits(0x7E00));
            half = S.Select(S.IsNaN(x), payload, half);
            S.StoreInt16((short*)to + i, S.Or(half, S.And(S.ShiftRight(x, 16), S.CreateBits(0x8000))));
        }
    }

    private readonly struct FromBF16(ushort* from, float* to) : IStep
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged =>
            S.Store(to + i, S.ShiftLeft(S.LoadInt16((short*)from + i), 16));
    }

    private readonly struct ToBF16(float* from, ushort* to) : IStep
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V x = S.Load(from + i);
            V odd = S.And(S.ShiftRight(x, 16), S.CreateBits(1));
            V rounded = S.AddBits(S.AddBits(x, S.CreateBits(0x7FFF)), odd);
            V quiet = S.Or(x, S.CreateBits(0x0040_0000)); // rounding might carry a NaN over into infinity or zero
            S.StoreInt16((short*)to + i, S.ShiftRight(S.Select(S.IsNaN(x), quiet, rounded), 16));
        }
    }
}
