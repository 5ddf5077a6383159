using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>What a kernel of <see cref="ProductKernels"/> is given; it counts in it. Strides are in bytes.</summary>
internal unsafe struct ProductArguments
{
    public float* A;
    public nint AStride;
    public nint Depth;
    public byte* B;
    public nint BStride;
    public float* C;
    public nint CStride;
    public float* Factors;

    /// <summary>Whole pairs of vectors of columns.</summary>
    public nint Pairs;

    /// <summary>A bit for each column after them.</summary>
    public nint Rest;

    /// <summary>What to fetch into the cache with the first row of b, and how much further with each.</summary>
    public byte* Ahead;

    public nint Step;
}

/// <summary>The products of attention in AVX-512, which read half precision and bfloat16 where they lie: each kernel is assembled when it is first needed.</summary>
internal static unsafe class ProductKernels
{
    /// <summary>The most rows: two vectors of sums for each fit the registers.</summary>
    public const int MaxRows = 8;

    private static readonly nint[] Kernels = new nint[((int)TensorType.BF16 + 1) * MaxRows]; // by type of cell, then rows

    /// <summary>Whether this processor and system can run them.</summary>
    public static bool IsSupported => VnniKernels.IsSupported;

    /// <summary>c = factors * c + a b, or a b where there are no factors; b's cells are of this type.</summary>
    public static void Multiply(TensorType cell, int rows, ref ProductArguments arguments)
    {
        ref nint kernel = ref Kernels[((int)cell * MaxRows) + rows - 1];
        if (Volatile.Read(ref kernel) == 0)
            Assemble(ref kernel, cell, rows);
        fixed (ProductArguments* given = &arguments)
            ((delegate* unmanaged[SuppressGCTransition]<ProductArguments*, void>)kernel)(given);
    }

    // Apart, since a call that captures its arguments allocates, whether or not it comes to that.
    private static void Assemble(ref nint kernel, TensorType cell, int rows) =>
        VnniKernels.Assemble(ref kernel, rows, assembler => assembler.Products(cell));
}
