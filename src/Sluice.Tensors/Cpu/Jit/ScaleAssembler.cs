using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>A kernel that is being written: what the ways of storing scales need to add their part.</summary>
internal sealed class ScaleAssembler(Assembler code, AssemblerRegister64 scales)
{
    private readonly List<(Label Label, byte[] Bytes)> constants = [];
    private readonly Dictionary<int, Label> dwords = [];
    private readonly Dictionary<string, Label> vectors = []; // by their bytes
    private readonly Dictionary<string, AssemblerRegisterZMM> kept = [];

    public Assembler Code => code;

    /// <summary>Points to the unit's scales.</summary>
    public AssemblerRegister64 Scales => scales;

    /// <summary>A register for what a unit's scales share.</summary>
    public AssemblerRegisterZMM Shared => zmm28;

    /// <summary>A register for what a unit's minimums share.</summary>
    public AssemblerRegisterZMM SharedMin => zmm29;

    /// <summary>16 halves, that many bytes into the unit, as floats.</summary>
    public void LoadHalves(int at, AssemblerRegisterZMM result) => code.vcvtph2ps(result, __ymmword_ptr[scales + at]);

    /// <summary>A 32-bit constant for all lanes, as an operand.</summary>
    public AssemblerMemoryOperand Constant(int value) => __dword_bcst[DwordAt(value)];

    /// <summary>A 32-bit constant, as an operand of 4 bytes.</summary>
    public AssemblerMemoryOperand Single(int value) => __dword_ptr[DwordAt(value)];

    private Label DwordAt(int value)
    {
        if (!dwords.TryGetValue(value, out Label label))
        {
            label = Data(BitConverter.GetBytes(value));
            dwords.Add(value, label);
        }
        return label;
    }

    /// <summary>A constant of a whole vector, as an operand.</summary>
    public AssemblerMemoryOperand Vector(byte[] bytes)
    {
        string key = Convert.ToHexString(bytes);
        if (!vectors.TryGetValue(key, out Label label))
        {
            label = Data(bytes);
            vectors.Add(key, label);
        }
        return __zmmword_ptr[label];
    }

    /// <summary>Loads a constant of a whole vector for good.</summary>
    public void Keep(byte[] bytes, AssemblerRegisterZMM register)
    {
        code.vmovdqu32(register, Vector(bytes));
        kept.Add(Convert.ToHexString(bytes), register);
    }

    /// <summary>A constant of a whole vector: where it is kept, else in a register that it is loaded to.</summary>
    public AssemblerRegisterZMM Vector(byte[] bytes, AssemblerRegisterZMM otherwise)
    {
        if (kept.TryGetValue(Convert.ToHexString(bytes), out AssemblerRegisterZMM register))
            return register;
        code.vmovdqu32(otherwise, Vector(bytes));
        return otherwise;
    }

    /// <summary>Bytes that lie beside the code.</summary>
    public Label Data(byte[] bytes)
    {
        Label label = code.CreateLabel();
        constants.Add((label, bytes));
        return label;
    }

    /// <summary>The values of a table at the indices.</summary>
    public void LookUp(float[] table, AssemblerRegisterZMM indices, AssemblerRegisterZMM result)
    {
        code.lea(rax, __[Data(MemoryMarshal.AsBytes<float>(table).ToArray())]);
        code.kxnorw(k1, k1, k1);
        code.vgatherdps(result.k1, __[rax + indices * 4]);
    }

    /// <summary>Writes the constants, after the last instruction: the long ones first, so that if they begin aligned all of them are.</summary>
    /// <param name="padding">Bytes between the instructions and the constants.</param>
    /// <returns>The constants' bytes.</returns>
    public int WriteConstants(int padding)
    {
        if (padding > 0)
            code.db(new byte[padding]);
        foreach ((Label label, byte[] bytes) in constants.OrderByDescending(constant => constant.Bytes.Length))
        {
            Label at = label;
            code.Label(ref at);
            code.db(bytes);
        }
        return constants.Sum(constant => constant.Bytes.Length);
    }
}
