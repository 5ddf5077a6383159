using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Writes the kernels that <see cref="Kernels"/> describes, for one number of tokens, in AVX-512. A register holds 16 rows; the
/// activations are memory operands, broadcast to all of them.
/// </summary>
internal sealed class KernelAssembler(int tokens)
{
    private const int Vector = 64, Dword = 4;

    private static readonly AssemblerRegisterZMM[] Zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    // Arguments, where Linux passes the first six.
    private static readonly AssemblerRegister64[] Arguments = [rdi, rsi, rdx, rcx, r8, r9];

    private readonly Assembler c = new(64);

    /// <summary>void (codes, scales, activations, notes, sums, groups).</summary>
    public void Integers(IntegerKind kind)
    {
        AssemblerRegister64 codes = rdi, scales = rsi, activations = rdx, notes = rcx, sums = r8, groups = r9;
        ReadOnlySpan<AssemblerRegisterZMM> sum = Zmm.AsSpan(0, 8), dot = Zmm.AsSpan(8, 8), part = Zmm.AsSpan(16, 8);
        AssemblerRegisterZMM scale = zmm24;
        Enter(6);
        for (int t = 0; t < tokens; t++)
            c.vmovups(sum[t], __zmmword_ptr[sums + t * Vector]);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        int quads = 8 / kind.Parts;
        for (int p = 0; p < kind.Parts; p++)
        {
            for (int t = 0; t < tokens; t++)
            {
                if (kind.Offset != 0)
                    c.vpbroadcastd(dot[t], __dword_ptr[notes + ((1 + p) * tokens + t) * Dword]);
                else
                    c.vpxord(dot[t], dot[t], dot[t]);
            }
            for (int quad = p * quads; quad < (p + 1) * quads; quad++)
            {
                AssemblerRegisterZMM weights = Zmm[25 + quad % 4];
                c.vmovdqu32(weights, __zmmword_ptr[codes + quad * Vector]);
                for (int t = 0; t < tokens; t++)
                    c.vpdpbusd(dot[t], weights, __dword_bcst[activations + (quad * tokens + t) * Dword]);
            }
            c.vmovups(scale, __zmmword_ptr[scales + p * Vector]);
            for (int t = 0; t < tokens; t++)
            {
                c.vcvtdq2ps(dot[t], dot[t]);
                if (p == 0)
                    c.vmulps(part[t], dot[t], scale);
                else
                    c.vfmadd231ps(part[t], dot[t], scale);
            }
        }
        for (int p = 0; p < kind.Parts && kind.HasMin; p++)
        {
            c.vmovups(scale, __zmmword_ptr[scales + (kind.Parts + p) * Vector]);
            for (int t = 0; t < tokens; t++)
                c.vfmadd231ps(part[t], scale, __dword_bcst[notes + ((1 + kind.Parts + p) * tokens + t) * Dword]);
        }
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(sum[t], part[t], __dword_bcst[notes + t * Dword]);
        c.add(codes, IntegerPanels.GroupCodes);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.add(activations, IntegerPanels.Group * tokens);
        c.add(notes, kind.NotesPerGroup * tokens * Dword);
        c.dec(groups);
        c.jnz(loop);
        for (int t = 0; t < tokens; t++)
            c.vmovups(__zmmword_ptr[sums + t * Vector], sum[t]);
        Leave();
    }

    /// <summary>
    /// void (codes, scales, activations, notes, sums, groups), where codes and scales are packed, in units of the scales' layout:
    /// weights are unpacked in registers, which pays while few tokens share them.
    /// </summary>
    public void Packed(IntegerKind kind, IntegerLayout layout, byte[]? levels)
    {
        AssemblerRegister64 codes = rdi, scales = rsi, activations = rdx, notes = rcx, sums = r8, groups = r9;
        ReadOnlySpan<AssemblerRegisterZMM> sum = Zmm.AsSpan(0, 8), dot = Zmm.AsSpan(8, 8), part = Zmm.AsSpan(16, 8);
        AssemblerRegisterZMM scale = zmm24;
        ScaleAssembler scaleCode = new(c, scales);
        int unit = layout.Scales.UnitGroups, quads = 8 / kind.Parts;
        Enter(6);
        if (levels is not null)
            c.vbroadcasti32x4(Levels, __xmmword_ptr[scaleCode.Data(levels)]);
        for (int t = 0; t < tokens; t++)
            c.vmovups(sum[t], __zmmword_ptr[sums + t * Vector]);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        layout.Scales.AssembleUnit(scaleCode);
        for (int g = 0; g < unit; g++)
        {
            int note = g * kind.NotesPerGroup * tokens * Dword;
            for (int p = 0; p < kind.Parts; p++)
            {
                for (int t = 0; t < tokens; t++)
                {
                    if (kind.Offset != 0)
                        c.vpbroadcastd(dot[t], __dword_ptr[notes + note + ((1 + p) * tokens + t) * Dword]);
                    else
                        c.vpxord(dot[t], dot[t], dot[t]);
                }
                for (int quad = p * quads; quad < (p + 1) * quads; quad++)
                {
                    UnpackQuad(scaleCode, layout, codes, g * layout.Bits * Vector, quad);
                    for (int t = 0; t < tokens; t++)
                        c.vpdpbusd(dot[t], Code, __dword_bcst[activations + ((g * 8 + quad) * tokens + t) * Dword]);
                }
                layout.Scales.AssembleScale(scaleCode, g, p, isMin: false, scale);
                for (int t = 0; t < tokens; t++)
                {
                    c.vcvtdq2ps(dot[t], dot[t]);
                    if (p == 0)
                        c.vmulps(part[t], dot[t], scale);
                    else
                        c.vfmadd231ps(part[t], dot[t], scale);
                }
            }
            for (int p = 0; p < kind.Parts && kind.HasMin; p++)
            {
                layout.Scales.AssembleScale(scaleCode, g, p, isMin: true, scale);
                for (int t = 0; t < tokens; t++)
                    c.vfmadd231ps(part[t], scale, __dword_bcst[notes + note + ((1 + kind.Parts + p) * tokens + t) * Dword]);
            }
            for (int t = 0; t < tokens; t++)
                c.vfmadd231ps(sum[t], part[t], __dword_bcst[notes + note + t * Dword]);
        }
        c.add(codes, unit * layout.Bits * Vector);
        c.add(scales, layout.Scales.UnitBytes);
        c.add(activations, unit * IntegerPanels.Group * tokens);
        c.add(notes, unit * kind.NotesPerGroup * tokens * Dword);
        c.sub(groups, unit);
        c.jnz(loop);
        for (int t = 0; t < tokens; t++)
            c.vmovups(__zmmword_ptr[sums + t * Vector], sum[t]);
        Leave();
        scaleCode.WriteConstants();
    }

    private static AssemblerRegisterZMM Code => zmm25;

    private static AssemblerRegisterZMM Shifted => zmm30;

    private static AssemblerRegisterZMM Levels => zmm31;

    /// <summary>Leaves a quad's codes in <see cref="Code"/>; <see cref="PackedIntegers"/> draws the planes.</summary>
    private void UnpackQuad(ScaleAssembler constants, IntegerLayout layout, AssemblerRegister64 codes, int at, int quad)
    {
        if (layout.Bits == 8)
        {
            c.vmovdqu32(Code, __zmmword_ptr[codes + at + quad * Vector]);
            return;
        }
        int plane = 0; // vectors before this plane, and likewise its lowest bit
        foreach (int width in (ReadOnlySpan<int>)[4, 2, 1])
        {
            if ((layout.Bits & width) == 0)
                continue;
            AssemblerRegisterZMM vector = width == 4 ? zmm26 : width == 2 ? zmm27 : zmm31 /* no levels then */;
            int shared = 8 / width, from = quad % shared * width;
            if (quad % shared == 0)
                c.vmovdqu32(vector, __zmmword_ptr[codes + at + (plane + quad / shared) * Vector]);
            AssemblerRegisterZMM moved = plane == 0 ? Code : Shifted;
            if (from > plane)
                c.vpsrlw(moved, vector, (byte)(from - plane));
            else if (from < plane)
                c.vpsllw(moved, vector, (byte)(plane - from));
            else
                moved = vector;
            AssemblerMemoryOperand mask = constants.Constant(((1 << width) - 1 << plane) * 0x01010101);
            if (plane == 0)
                c.vpandd(Code, moved, mask);
            else
                c.vpternlogd(Code, moved, mask, 0xF8); // Code | (moved & mask)
            plane += width;
        }
        if (layout.HasLevels)
            c.vpshufb(Code, Levels, Code);
    }

    /// <summary>void (values, activations, sums, columns).</summary>
    public void Floats()
    {
        AssemblerRegister64 values = rdi, activations = rsi, sums = rdx, columns = rcx;
        ReadOnlySpan<AssemblerRegisterZMM> sum = Zmm.AsSpan(0, 8);
        Enter(4);
        for (int t = 0; t < tokens; t++)
            c.vmovups(sum[t], __zmmword_ptr[sums + t * Vector]);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        c.vmovups(zmm16, __zmmword_ptr[values]);
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(sum[t], zmm16, __dword_bcst[activations + t * Dword]);
        c.add(values, Vector);
        c.add(activations, tokens * Dword);
        c.dec(columns);
        c.jnz(loop);
        for (int t = 0; t < tokens; t++)
            c.vmovups(__zmmword_ptr[sums + t * Vector], sum[t]);
        Leave();
    }

    /// <summary>Appends the machine code.</summary>
    public void Write(Stream code) => c.Assemble(new StreamCodeWriter(code), rip: 0);

    // Windows passes four arguments in other registers, the rest above the return address and 32 bytes, and wants rdi, rsi
    // and xmm6 to xmm15 back as they were.
    private void Enter(int arguments)
    {
        if (!OperatingSystem.IsWindows())
            return;
        c.push(rdi);
        c.push(rsi);
        c.sub(rsp, 160);
        for (int i = 0; i < 10; i++)
            c.movups(__xmmword_ptr[rsp + i * 16], WindowsXmm[i]);
        AssemblerRegister64[] given = [rcx, rdx, r8, r9];
        // In this order no register is overwritten before it is read.
        for (int i = 0; i < Math.Min(arguments, 4); i++)
            c.mov(Arguments[i], given[i]);
        for (int i = 4; i < arguments; i++)
            c.mov(Arguments[i], __qword_ptr[rsp + 160 + 16 + 8 + 32 + (i - 4) * 8]);
    }

    private void Leave()
    {
        if (OperatingSystem.IsWindows())
        {
            for (int i = 0; i < 10; i++)
                c.movups(WindowsXmm[i], __xmmword_ptr[rsp + i * 16]);
            c.add(rsp, 160);
            c.pop(rsi);
            c.pop(rdi);
        }
        c.vzeroupper();
        c.ret();
    }

    private static readonly AssemblerRegisterXMM[] WindowsXmm = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];
}
