using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using static System.BitConverter;

namespace Sluice.Tensors.Cpu;

/// <summary>One float at a time, with the arithmetic of the vectors.</summary>
internal readonly unsafe struct Simd1 : ISimd<float>
{
    public static int Width => 1;

    /// <summary>Whether the processor rounds a * b + c once; else all widths round twice, rather than imitate it slowly.</summary>
    public static bool HasMultiplyAdd => Fma.IsSupported || AdvSimd.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* from) => *from;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* to, float value) => *to = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Create(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float CreateBits(uint bits) => UInt32BitsToSingle(bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Subtract(float a, float b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float a, float b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Divide(float a, float b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float a, float b, float c) =>
        HasMultiplyAdd ? MathF.FusedMultiplyAdd(a, b, c) : (a * b) + c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Min(float a, float b) => a < b ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(float a, float b) => a > b ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LessThan(float a, float b) => CreateBits(a < b ? uint.MaxValue : 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float EqualBits(float a, float b) =>
        CreateBits(SingleToUInt32Bits(a) == SingleToUInt32Bits(b) ? uint.MaxValue : 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float IsNaN(float a) => CreateBits(float.IsNaN(a) ? uint.MaxValue : 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Select(float mask, float a, float b) => SingleToUInt32Bits(mask) != 0 ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float And(float a, float b) => CreateBits(SingleToUInt32Bits(a) & SingleToUInt32Bits(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Or(float a, float b) => CreateBits(SingleToUInt32Bits(a) | SingleToUInt32Bits(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float AddBits(float a, float b) => CreateBits(SingleToUInt32Bits(a) + SingleToUInt32Bits(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ShiftLeft(float a, int count) => CreateBits(SingleToUInt32Bits(a) << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ShiftRight(float a, int count) => CreateBits(SingleToUInt32Bits(a) >> count);

    // As below.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadInt8(sbyte* from) => Vector128.CreateScalar((int)*from).AsSingle().ToScalar();

    // Not CreateBits(*from): .NET 10.0's compiler would read it as one load of 32 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadInt16(short* from) => Vector128.CreateScalar((int)*from).AsSingle().ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt16(short* to, float bits) => *to = (short)SingleToUInt32Bits(bits);

    public static float Sum(float a) => a;

    public static float MaxLane(float a) => a;

    public static float LaneBits => CreateBits(1);
}
