using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Cpu;

/// <summary>No vectors at all: one lane.</summary>
internal readonly unsafe struct ScalarLanes : ILanes<int, float>
{
    public static int Count => 1;

    public static int Broadcast(int value) => value;

    public static float Broadcast(float value) => value;

    public static int LoadCodes(byte* codes) => *(int*)codes;

    public static float Load(float* values) => *values;

    public static void Store(float values, float* target) => *target = values;

    public static int Dot(int sum, int codes, int activations) =>
        sum + (byte)codes * (sbyte)activations + (byte)(codes >> 8) * (sbyte)(activations >> 8)
        + (byte)(codes >> 16) * (sbyte)(activations >> 16) + (byte)(codes >> 24) * (sbyte)(activations >> 24);

    public static int DotNarrow(int sum, int codes, int activations) => Dot(sum, codes, activations);

    public static float BitsToSingle(int values) => BitConverter.Int32BitsToSingle(values);

    public static float Subtract(float a, float b) => a - b;

    public static float Multiply(float a, float b) => a * b;

    public static float MultiplyAdd(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);
}

/// <summary>AVX2 with FMA: 8 lanes.</summary>
internal readonly unsafe struct Avx2Lanes : ILanes<Vector256<int>, Vector256<float>>
{
    public static int Count => 8;

    public static Vector256<int> Broadcast(int value) => Vector256.Create(value);

    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    public static Vector256<int> LoadCodes(byte* codes) => Vector256.Load((int*)codes);

    public static Vector256<float> Load(float* values) => Vector256.Load(values);

    public static void Store(Vector256<float> values, float* target) => values.Store(target);

    // There is no exact product of unsigned and signed bytes (pairs saturate at 16 bits), so even and odd bytes are multiplied
    // as 16-bit numbers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(Vector256<int> sum, Vector256<int> codes, int activations)
    {
        Vector256<short> a = Vector256.Create(activations).AsInt16(), c = codes.AsInt16();
        Vector256<int> even = Avx2.MultiplyAddAdjacent(c & Vector256.Create((short)0xFF), (a << 8) >> 8);
        Vector256<int> odd = Avx2.MultiplyAddAdjacent(c >>> 8, a >> 8);
        return sum + (even + odd);
    }

    // Pairs of products of codes below 128 stay within 16 bits: 2 * 127 * 127 < 2^15.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DotNarrow(Vector256<int> sum, Vector256<int> codes, int activations)
    {
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(codes.AsByte(), Vector256.Create(activations).AsSByte());
        return sum + Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One);
    }

    public static Vector256<float> BitsToSingle(Vector256<int> values) => values.AsSingle();

    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Fma.MultiplyAdd(a, b, c);
}

/// <summary>AVX-VNNI, the 256-bit form of the dot product instruction: 8 lanes.</summary>
internal readonly unsafe struct AvxVnniLanes : ILanes<Vector256<int>, Vector256<float>>
{
    public static int Count => 8;

    public static Vector256<int> Broadcast(int value) => Vector256.Create(value);

    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    public static Vector256<int> LoadCodes(byte* codes) => Vector256.Load((int*)codes);

    public static Vector256<float> Load(float* values) => Vector256.Load(values);

    public static void Store(Vector256<float> values, float* target) => values.Store(target);

    public static Vector256<int> Dot(Vector256<int> sum, Vector256<int> codes, int activations) =>
        AvxVnni.MultiplyWideningAndAdd(sum, codes.AsByte(), Vector256.Create(activations).AsSByte());

    public static Vector256<int> DotNarrow(Vector256<int> sum, Vector256<int> codes, int activations) => Dot(sum, codes, activations);

    public static Vector256<float> BitsToSingle(Vector256<int> values) => values.AsSingle();

    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Fma.MultiplyAdd(a, b, c);
}

/// <summary>AVX-512 with byte and word instructions: 16 lanes.</summary>
internal readonly unsafe struct Avx512Lanes : ILanes<Vector512<int>, Vector512<float>>
{
    public static int Count => 16;

    public static Vector512<int> Broadcast(int value) => Vector512.Create(value);

    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    public static Vector512<int> LoadCodes(byte* codes) => Vector512.Load((int*)codes);

    public static Vector512<float> Load(float* values) => Vector512.Load(values);

    public static void Store(Vector512<float> values, float* target) => values.Store(target);

    // As for AVX2.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot(Vector512<int> sum, Vector512<int> codes, int activations)
    {
        Vector512<short> a = Vector512.Create(activations).AsInt16(), c = codes.AsInt16();
        Vector512<int> even = Avx512BW.MultiplyAddAdjacent(c & Vector512.Create((short)0xFF), (a << 8) >> 8);
        Vector512<int> odd = Avx512BW.MultiplyAddAdjacent(c >>> 8, a >> 8);
        return sum + (even + odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> DotNarrow(Vector512<int> sum, Vector512<int> codes, int activations)
    {
        Vector512<short> pairs = Avx512BW.MultiplyAddAdjacent(codes.AsByte(), Vector512.Create(activations).AsSByte());
        return sum + Avx512BW.MultiplyAddAdjacent(pairs, Vector512<short>.One);
    }

    public static Vector512<float> BitsToSingle(Vector512<int> values) => values.AsSingle();

    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Avx512F.FusedMultiplyAdd(a, b, c);
}

/// <summary>Arm's AdvSimd with the dot product extension: 4 lanes.</summary>
internal readonly unsafe struct ArmLanes : ILanes<Vector128<int>, Vector128<float>>
{
    public static int Count => 4;

    public static Vector128<int> Broadcast(int value) => Vector128.Create(value);

    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    public static Vector128<int> LoadCodes(byte* codes) => Vector128.Load((int*)codes);

    public static Vector128<float> Load(float* values) => Vector128.Load(values);

    public static void Store(Vector128<float> values, float* target) => values.Store(target);

    // Arm multiplies signed by signed bytes: code = (code - 128) + 128, and the second part is 128 times the activations' sum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot(Vector128<int> sum, Vector128<int> codes, int activations)
    {
        Vector128<sbyte> a = Vector128.Create(activations).AsSByte();
        Vector128<int> low = Dp.DotProduct(sum, (codes.AsByte() ^ Vector128.Create((byte)128)).AsSByte(), a);
        return low + (Dp.DotProduct(Vector128<int>.Zero, Vector128<sbyte>.One, a) << 7);
    }

    public static Vector128<int> DotNarrow(Vector128<int> sum, Vector128<int> codes, int activations) =>
        Dp.DotProduct(sum, codes.AsSByte(), Vector128.Create(activations).AsSByte());

    public static Vector128<float> BitsToSingle(Vector128<int> values) => values.AsSingle();

    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) =>
        AdvSimd.FusedMultiplyAdd(c, a, b);
}
