using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Cpu;

// Four activations are repeated as a float, for of an integer the compiler makes a load and a slow move from an ordinary register.

/// <summary>No vectors at all: one lane.</summary>
internal readonly unsafe struct ScalarLanes : ILanes<int, float>
{
    public static int Count => 1;

    public static int Broadcast(int value) => value;

    public static float Broadcast(float value) => value;

    public static int LoadCodes(byte* codes) => *(int*)codes;

    public static float Load(float* values) => *values;

    public static void Store(float values, float* target) => *target = values;

    public static int Dot(int sum, int codes, int* activations)
    {
        sbyte* a = (sbyte*)activations;
        return sum + (byte)codes * a[0] + (byte)(codes >> 8) * a[1] + (byte)(codes >> 16) * a[2] + (byte)(codes >> 24) * a[3];
    }

    public static int DotNarrow(int sum, int codes, int* activations) => Dot(sum, codes, activations);

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

    public static bool HasPairs => true;

    public static Vector256<int> DotNarrow(Vector256<int> sum, Vector256<int> codes, int* activations) => SumPairs(sum, Pairs(codes, activations));

    public static Vector256<int> Pairs(Vector256<int> codes, int* activations) =>
        Avx2.MultiplyAddAdjacent(codes.AsByte(), Vector256.Create(*(float*)activations).AsSByte()).AsInt32();

    // The unsigned factor is the integer's size, 128 at most, and the signed one has its sign.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> SignedPairs(Vector256<int> codes, Vector256<int> offset, int* activations)
    {
        Vector256<sbyte> q = (codes.AsByte() - offset.AsByte()).AsSByte(), a = Vector256.Create(*(float*)activations).AsSByte();
        return Avx2.MultiplyAddAdjacent(Avx2.Abs(q), Avx2.Sign(a, q)).AsInt32();
    }

    public static Vector256<int> AddPairs(Vector256<int> a, Vector256<int> b) => (a.AsInt16() + b.AsInt16()).AsInt32();

    public static Vector256<int> SumPairs(Vector256<int> sum, Vector256<int> pairs) =>
        sum + Avx2.MultiplyAddAdjacent(pairs.AsInt16(), Vector256<short>.One);

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

    public static Vector256<int> Dot(Vector256<int> sum, Vector256<int> codes, int* activations) =>
        AvxVnni.MultiplyWideningAndAdd(sum, codes.AsByte(), Vector256.Create(*(float*)activations).AsSByte());

    public static Vector256<int> DotNarrow(Vector256<int> sum, Vector256<int> codes, int* activations) => Dot(sum, codes, activations);

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

    public static bool HasPairs => true;

    public static Vector512<int> DotNarrow(Vector512<int> sum, Vector512<int> codes, int* activations) => SumPairs(sum, Pairs(codes, activations));

    public static Vector512<int> Pairs(Vector512<int> codes, int* activations) =>
        Avx512BW.MultiplyAddAdjacent(codes.AsByte(), Vector512.Create(*(float*)activations).AsSByte()).AsInt32();

    // The unsigned factor is the integer's size, 128 at most, and the signed one has its sign.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> SignedPairs(Vector512<int> codes, Vector512<int> offset, int* activations)
    {
        Vector512<sbyte> q = (codes.AsByte() - offset.AsByte()).AsSByte(), a = Vector512.Create(*(float*)activations).AsSByte();
        Vector512<sbyte> signed = Vector512.ConditionalSelect(Vector512.LessThan(q, Vector512<sbyte>.Zero), -a, a);
        return Avx512BW.MultiplyAddAdjacent(Avx512BW.Abs(q), signed).AsInt32();
    }

    public static Vector512<int> AddPairs(Vector512<int> a, Vector512<int> b) => (a.AsInt16() + b.AsInt16()).AsInt32();

    public static Vector512<int> SumPairs(Vector512<int> sum, Vector512<int> pairs) =>
        sum + Avx512BW.MultiplyAddAdjacent(pairs.AsInt16(), Vector512<short>.One);

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
    public static Vector128<int> Dot(Vector128<int> sum, Vector128<int> codes, int* activations)
    {
        Vector128<sbyte> a = Vector128.Create(*activations).AsSByte();
        Vector128<int> low = Dp.DotProduct(sum, (codes.AsByte() ^ Vector128.Create((byte)128)).AsSByte(), a);
        return low + (Dp.DotProduct(Vector128<int>.Zero, Vector128<sbyte>.One, a) << 7);
    }

    public static Vector128<int> DotNarrow(Vector128<int> sum, Vector128<int> codes, int* activations) =>
        Dp.DotProduct(sum, codes.AsSByte(), Vector128.Create(*activations).AsSByte());

    public static Vector128<float> BitsToSingle(Vector128<int> values) => values.AsSingle();

    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) =>
        AdvSimd.FusedMultiplyAdd(c, a, b);
}
