using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>What a rotation of the model does to a tensor.</summary>
internal sealed class TensorRotation
{
    /// <summary>What its columns are multiplied by first: the weights of the norm before it.</summary>
    public float[]? Factors { get; set; }

    /// <summary>How what it reads is rotated.</summary>
    public HadamardRotation? Inputs { get; set; }

    /// <summary>Whether what it reads is rotated once more, as the model runs (<see cref="Hadamard.Rotate"/>).</summary>
    public bool IsOnline { get; set; }

    /// <summary>How what it writes is rotated.</summary>
    public HadamardRotation? Outputs { get; set; }

    /// <summary>The first of the rows that write that.</summary>
    public int FirstOutput { get; set; }

    /// <summary>Whether it becomes all ones: a norm's weights that went into the maps after it.</summary>
    public bool IsOnes { get; set; }

    /// <summary>Changes a matrix [rows, columns], or a vector as the one row of it.</summary>
    public void Apply(float[] values, int columns)
    {
        if (IsOnes)
        {
            Array.Fill(values, 1);
            return;
        }
        Parallel.For(0, values.Length / columns, row =>
        {
            Span<float> of = values.AsSpan(row * columns, columns);
            for (int i = 0; Factors is { } factors && i < columns; i++)
                of[i] *= factors[i];
            Inputs?.Rotate(of);
            if (IsOnline)
                Hadamard.Rotate(of);
        });
        Outputs?.RotateRows(values.AsSpan(FirstOutput * columns), columns);
    }
}
