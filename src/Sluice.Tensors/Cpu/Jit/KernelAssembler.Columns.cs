using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>Kernels over weights that lie in columns (<see cref="IColumns"/>): a block of 128 rows times one token.</summary>
internal sealed partial class KernelAssembler
{
    private const int BlockPanels = IColumns.BlockPanels;

    /// <summary>Sums, or results that several parts or groups join before the sums.</summary>
    private static ReadOnlySpan<AssemblerRegisterZMM> Kept => Zmm.AsSpan(16, BlockPanels);

    /// <summary>
    /// void (<see cref="ColumnArguments"/>*): active columns, four at a time, interleaved in registers to 16 rows by 4 columns for each panel.
    /// Products are in registers 0 to 7, sums or results in 16 to 23.
    /// </summary>
    public void ColumnIntegers(IntegerKind kind, bool isNibbles, bool hasLevels)
    {
        AssemblerRegister64 given = rdi, first = rsi, columnBytes = rdx, places = rcx, counts = r8, quants = r9, notes = r10, scales = r11, sums = rax, quad = rbx,
            slab = r12, ahead = r13;
        AssemblerMemoryOperand Argument(string name) => Field<ColumnArguments>(given, name);
        AssemblerRegisterZMM mask = zmm29, levels = zmm30, factor = zmm28;
        bool keepsSums = kind is { Parts: 1, HasWideScale: false };
        int part = IntegerPanels.Group / kind.Parts, panelScales = Panels.Stretch / IntegerPanels.Group * kind.ScalesPerGroup * sizeof(float);
        Enter(1);
        c.push(rbx);
        c.push(r12);
        c.push(r13);
        c.mov(first, Argument(nameof(ColumnArguments.First)));
        c.mov(columnBytes, Argument(nameof(ColumnArguments.ColumnBytes)));
        c.mov(places, Argument(nameof(ColumnArguments.Places)));
        c.mov(counts, Argument(nameof(ColumnArguments.Counts)));
        c.mov(quants, Argument(nameof(ColumnArguments.Quants)));
        c.mov(notes, Argument(nameof(ColumnArguments.Notes)));
        c.mov(scales, Argument(nameof(ColumnArguments.Scales)));
        c.mov(slab, Argument(nameof(ColumnArguments.Slab)));
        c.mov(ahead, Argument(nameof(ColumnArguments.Ahead)));
        LoadMagic();
        if (isNibbles)
        {
            c.mov(eax, 0x0F0F0F0F);
            c.vpbroadcastd(mask, eax);
        }
        if (hasLevels)
        {
            c.mov(rax, Argument(nameof(ColumnArguments.Levels)));
            c.vbroadcasti32x4(levels, __xmmword_ptr[rax]);
        }
        c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
        for (int i = 0; i < BlockPanels; i++)
        {
            if (keepsSums)
                c.vmovups(Kept[i], __zmmword_ptr[sums + i * Vector]);
            else
                c.vpxord(Kept[i], Kept[i], Kept[i]);
        }
        Label group = c.CreateLabel();
        c.Label(ref group);
        for (int p = 0; p < kind.Parts; p++)
        {
            if (kind.Offset != 0)
                c.vpbroadcastd(Zmm[0], __dword_ptr[notes + (1 + p) * Dword]);
            for (int i = kind.Offset != 0 ? 1 : 0; i < BlockPanels; i++)
                c.vmovdqa32(Zmm[i], kind.Offset != 0 ? Zmm[0] : Magic);
            Label next = c.CreateLabel(), done = c.CreateLabel();
            c.xor(ebx, ebx);
            c.cmp(__byte_ptr[counts + p], 0);
            c.je(done);
            c.Label(ref next);
            Prefetch(slab, ahead, isNibbles ? IColumns.BlockRows * 2 : IColumns.BlockRows * 4);
            for (int i = 0; i < 4; i++)
            {
                c.movzx(eax, __byte_ptr[places + quad * 4 + p * part + i]);
                c.imul(rax, columnBytes);
                c.vmovdqu32(Zmm[8 + i], __zmmword_ptr[first + rax]);
                if (!isNibbles)
                    c.vmovdqu32(Zmm[12 + i], __zmmword_ptr[first + rax + Vector]);
            }
            AssemblerMemoryOperand activation = __dword_bcst[quants + quad * 4 + p * part];
            Interleave(8);
            if (!isNibbles)
                Interleave(12);
            for (int i = 0; i < BlockPanels && !isNibbles; i++)
                c.vpdpbusd(Zmm[i], Zmm[8 + i], activation);
            for (int i = 0; i < BlockPanels / 2 && isNibbles; i++)
            {
                c.vpandd(zmm24, Zmm[8 + i], mask);
                c.vpsrlw(zmm25, Zmm[8 + i], 4);
                c.vpandd(zmm25, zmm25, mask);
                if (hasLevels)
                {
                    c.vpshufb(zmm24, levels, zmm24);
                    c.vpshufb(zmm25, levels, zmm25);
                }
                c.vpdpbusd(Zmm[i], zmm24, activation);
                c.vpdpbusd(Zmm[4 + i], zmm25, activation);
            }
            c.inc(ebx);
            c.cmp(bl, __byte_ptr[counts + p]);
            c.jb(next);
            c.Label(ref done);
            for (int i = 0; i < BlockPanels; i++)
            {
                AssemblerMemoryOperand scale = __zmmword_ptr[scales + i * panelScales + p * Vector];
                c.vsubps(Zmm[i], Zmm[i], Magic);
                if (p > 0 || kind.HasWideScale)
                    c.vfmadd231ps(Kept[i], Zmm[i], scale);
                else
                    c.vmulps(keepsSums ? Zmm[i] : Kept[i], Zmm[i], scale);
            }
        }
        for (int p = 0; p < kind.Parts && kind.HasMin; p++)
        {
            c.vbroadcastss(factor, __dword_ptr[notes + (1 + kind.Parts + p) * Dword]);
            for (int i = 0; i < BlockPanels; i++)
                c.vfmadd231ps(keepsSums ? Zmm[i] : Kept[i], factor, __zmmword_ptr[scales + i * panelScales + (kind.Parts + p) * Vector]);
        }
        c.vbroadcastss(factor, __dword_ptr[notes]);
        if (keepsSums)
        {
            for (int i = 0; i < BlockPanels; i++)
                c.vfmadd231ps(Kept[i], Zmm[i], factor);
        }
        else if (!kind.HasWideScale)
        {
            c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
            AddKept(sums, factor);
        }
        c.add(places, IntegerPanels.Group);
        c.add(quants, IntegerPanels.Group);
        c.add(counts, kind.Parts);
        c.add(notes, kind.NotesPerGroup * Dword);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.dec(Argument(nameof(ColumnArguments.Groups)));
        c.jnz(group);
        c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
        if (kind.HasWideScale)
            AddKept(sums, factor); // the last group's copy of the scale that all share
        for (int i = 0; i < BlockPanels && keepsSums; i++)
            c.vmovups(__zmmword_ptr[sums + i * Vector], Kept[i]);
        c.pop(r13);
        c.pop(r12);
        c.pop(rbx);
        Leave();
    }

    /// <summary>void (columns, values, count, <see cref="ColumnArguments"/>*) of floats of this type.</summary>
    public void ColumnFloats(TensorType type)
    {
        AssemblerRegister64 columns = rdi, values = rsi, count = rdx, given = rcx, first = r8, columnBytes = r9, sums = r10, slab = r11;
        AssemblerMemoryOperand Argument(string name) => Field<ColumnArguments>(given, name);
        int size = type == TensorType.F16 ? Vector / 2 : Vector;
        Enter(4);
        c.push(r12);
        c.mov(first, Argument(nameof(ColumnArguments.First)));
        c.mov(columnBytes, Argument(nameof(ColumnArguments.ColumnBytes)));
        c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
        c.mov(slab, Argument(nameof(ColumnArguments.Slab)));
        c.mov(r12, Argument(nameof(ColumnArguments.Ahead)));
        for (int i = 0; i < BlockPanels; i++)
            c.vmovups(Kept[i], __zmmword_ptr[sums + i * Vector]);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        Prefetch(slab, r12, BlockPanels * size);
        c.movsxd(rax, __dword_ptr[columns]);
        c.imul(rax, columnBytes);
        c.add(rax, first);
        c.vbroadcastss(zmm24, __dword_ptr[values]);
        for (int i = 0; i < BlockPanels; i++)
        {
            if (type == TensorType.F16)
            {
                c.vcvtph2ps(Zmm[i], __ymmword_ptr[rax + i * size]);
                c.vfmadd231ps(Kept[i], zmm24, Zmm[i]);
            }
            else
                c.vfmadd231ps(Kept[i], zmm24, __zmmword_ptr[rax + i * size]);
        }
        c.add(columns, Dword);
        c.add(values, Dword);
        c.dec(count);
        c.jnz(loop);
        for (int i = 0; i < BlockPanels; i++)
            c.vmovups(__zmmword_ptr[sums + i * Vector], Kept[i]);
        c.pop(r12);
        Leave();
    }

    // A few lines at a time: more than the processor can wait for at once would stop it.
    private void Prefetch(AssemblerRegister64 slab, AssemblerRegister64 ahead, int bytes)
    {
        c.movsxd(rax, __dword_ptr[ahead]);
        c.add(ahead, Dword);
        for (int at = 0; at < bytes; at += Vector)
            c.prefetcht1(__byte_ptr[slab + rax + at]);
    }

    /// <summary>Results times the scale of the activations join the sums, and begin again.</summary>
    private void AddKept(AssemblerRegister64 sums, AssemblerRegisterZMM factor)
    {
        for (int i = 0; i < BlockPanels; i++)
        {
            c.vfmadd213ps(Kept[i], factor, __zmmword_ptr[sums + i * Vector]); // result * factor + sum
            c.vmovups(__zmmword_ptr[sums + i * Vector], Kept[i]);
        }
    }

    // Four columns of 64 rows become 4 panels of 16 rows by 4 columns; see Interleaving.
    private void Interleave(int at)
    {
        c.vpunpcklbw(zmm24, Zmm[at], Zmm[at + 1]);
        c.vpunpckhbw(zmm25, Zmm[at], Zmm[at + 1]);
        c.vpunpcklbw(zmm26, Zmm[at + 2], Zmm[at + 3]);
        c.vpunpckhbw(zmm27, Zmm[at + 2], Zmm[at + 3]);
        c.vpunpcklwd(Zmm[at], zmm24, zmm26);
        c.vpunpckhwd(Zmm[at + 1], zmm24, zmm26);
        c.vpunpcklwd(Zmm[at + 2], zmm25, zmm27);
        c.vpunpckhwd(Zmm[at + 3], zmm25, zmm27);
    }
}
