using Iced.Intel;
using Sluice.Tensors.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>Kernels over integers as they are packed: panel after panel, unpacked in registers.</summary>
internal sealed partial class KernelAssembler
{
    /// <summary>
    /// void (units, activations, notes, sums, groups, panels) of panels that follow each other, packed as <see cref="PackedIntegers"/>
    /// draws them: weights are unpacked in registers, which pays while few tokens share them.
    /// </summary>
    public void Packed(IntegerKind kind, IntegerLayout layout, byte[]? levels)
    {
        AssemblerRegister64 codes = rdi, activations = rsi, notes = rdx, sums = rcx, groups = r8, panels = r9, scales = r10, within = r11;
        ScaleAssembler scaleCode = new(c, scales);
        int unit = layout.Scales.UnitGroups, quads = 8 / kind.Parts, groupBytes = layout.Bits * Vector;
        isWide = kind.HasWideScale; // such units are of 8 groups
        Enter(6);
        LoadMagic();
        if (levels is not null)
            c.vbroadcasti32x4(Levels, __xmmword_ptr[scaleCode.Data(levels)]);
        Label panel = StartPanel(activations, notes, groups);
        LoadSums(sums);
        (Label stretch, Label loop) = StartStretches(codes, scales, groups, within, groupBytes);
        layout.Scales.AssembleUnit(scaleCode);
        ClearWide();
        for (int g = 0; g < unit; g++)
        {
            Prefetch(codes, g * groupBytes, groupBytes);
            int note = g * kind.NotesPerGroup * tokens * Dword;
            for (int p = 0; p < kind.Parts; p++)
            {
                StartProducts(kind, notes, note, p);
                for (int quad = p * quads; quad < (p + 1) * quads; quad++)
                {
                    UnpackQuad(scaleCode, layout, codes, g * groupBytes, quad);
                    for (int t = 0; t < tokens; t++)
                        c.vpdpbusd(Dot(t), Code, __dword_bcst[activations + ((g * 8 + quad) * tokens + t) * Dword]);
                }
                layout.Scales.AssembleScale(scaleCode, g, p, isMin: false, Scale);
                ScaleProducts(p, Scale);
            }
            for (int p = 0; p < kind.Parts && kind.HasMin; p++)
            {
                layout.Scales.AssembleScale(scaleCode, g, p, isMin: true, Scale);
                AddMinimums(kind, notes, note, p, Scale);
            }
            if (!isWide || g == unit - 1)
                AddGroup(notes, note, sums);
        }
        Prefetch(scales, 0, layout.Scales.UnitBytes);
        c.add(codes, unit * groupBytes);
        c.add(scales, layout.Scales.UnitBytes);
        c.add(activations, unit * IntegerPanels.Group * tokens);
        c.add(notes, unit * kind.NotesPerGroup * tokens * Dword);
        EndStretches(stretch, loop, codes, scales, groups, within, unit);
        StoreSums(sums);
        NextPanel(panel, codes, activations, notes, sums, groups, panels);
        Leave();
        ConstantBytes = scaleCode.WriteConstants(Padding);
    }

    /// <summary>Begins a loop over stretches, in each of which the scales follow the codes, and one over the groups within.</summary>
    private (Label Stretch, Label Loop) StartStretches(
        AssemblerRegister64 codes, AssemblerRegister64 scales, AssemblerRegister64 groups, AssemblerRegister64 within, int groupBytes)
    {
        Label stretch = c.CreateLabel(), loop = c.CreateLabel();
        c.Label(ref stretch);
        c.mov(within, Panels.Stretch / IntegerPanels.Group);
        c.cmp(groups, within);
        c.cmovl(within, groups);
        c.imul(scales, within, groupBytes);
        c.add(scales, codes);
        c.Label(ref loop);
        return (stretch, loop);
    }

    private void EndStretches(
        Label stretch, Label loop, AssemblerRegister64 codes, AssemblerRegister64 scales, AssemblerRegister64 groups, AssemblerRegister64 within,
        int unit)
    {
        c.sub(within, unit);
        c.jnz(loop);
        c.mov(codes, scales);
        c.sub(groups, Panels.Stretch / IntegerPanels.Group);
        c.jg(stretch);
    }

    private void Prefetch(AssemblerRegister64 data, int from, int bytes)
    {
        for (int line = from; line < from + bytes; line += Vector)
            c.prefetcht2(__byte_ptr[data + line + PrefetchDistance]);
    }

    // Bytes that stay on the stack during that loop.
    private const int PanelPushed = 3 * 8;

    /// <summary>Begins a loop over panels that meet the same activations.</summary>
    private Label StartPanel(AssemblerRegister64 activations, AssemblerRegister64 notes, AssemblerRegister64 groups)
    {
        Label panel = c.CreateLabel();
        c.Label(ref panel);
        c.push(activations);
        c.push(notes);
        c.push(groups);
        return panel;
    }

    /// <summary>Ends it: the next panel begins at a cache line, its sums follow.</summary>
    private void NextPanel(
        Label panel, AssemblerRegister64 units, AssemblerRegister64 activations, AssemblerRegister64 notes, AssemblerRegister64 sums,
        AssemblerRegister64 groups, AssemblerRegister64 panels)
    {
        c.pop(groups);
        c.pop(notes);
        c.pop(activations);
        c.add(units, NativeBuffer.Alignment - 1);
        c.and(units, -NativeBuffer.Alignment);
        c.add(sums, tokens * Vector);
        c.dec(panels);
        c.jnz(panel);
    }

    /// <summary>Leaves a quad's codes in <see cref="Code"/>; <see cref="PackedIntegers"/> draws the planes.</summary>
    private void UnpackQuad(ScaleAssembler constants, IntegerLayout layout, AssemblerRegister64 codes, int at, int quad)
    {
        if (layout.Bits == 8)
        {
            c.vmovdqu32(Code, __zmmword_ptr[codes + at + quad * Vector]);
            return;
        }
        int plane = 0; // vectors before this plane, and likewise its lowest bit; there are at most two planes
        foreach (int width in (ReadOnlySpan<int>)[4, 2, 1])
        {
            if ((layout.Bits & width) == 0)
                continue;
            AssemblerRegisterZMM vector = plane == 0 ? zmm26 : zmm27;
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
}
