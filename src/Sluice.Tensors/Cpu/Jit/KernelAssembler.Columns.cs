using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>Kernels over weights that lie in columns (<see cref="IColumns"/>): blocks of 128 rows times one token.</summary>
internal sealed partial class KernelAssembler
{
    private const int BlockPanels = IColumns.BlockPanels;

    /// <summary>Sums, or results that several parts or groups join before the sums.</summary>
    private static ReadOnlySpan<AssemblerRegisterZMM> Kept => Zmm.AsSpan(16, BlockPanels);

    /// <summary>
    /// void (<see cref="ColumnArguments"/>*): active columns, four at a time, interleaved in registers to 16 rows by 4 columns for each panel.
    /// Products are in registers 0 to 7, sums or results in 16 to 23; scales are unpacked where a group ends.
    /// </summary>
    public void ColumnIntegers(IntegerKind kind, IntegerLayout layout, byte[]? levels)
    {
        AssemblerRegister64 given = rdi, first = rsi, columnBytes = rdx, places = rcx, counts = r8, quants = r9, notes = r10, unit = r11, sums = rax, quad = rbx,
            aheadFirst = r12, ahead = r13, scales = r14, panelScales = r15, groups = rbp;
        AssemblerMemoryOperand Argument(string name) => Field<ColumnArguments>(given, name);
        ScaleAssembler scaleCode = new(c, scales);
        bool isNibbles = Cpu.ColumnIntegers.IsOfNibbles(layout), hasUpper = Cpu.ColumnIntegers.IsOfUpper(layout), keepsSums = kind is { Parts: 1, HasWideScale: false };
        int part = IntegerPanels.Group / kind.Parts, units = layout.Scales.UnitGroups, blockBytes = Cpu.ColumnIntegers.BytesOf(layout);
        Enter(1);
        foreach (AssemblerRegister64 saved in SavedByColumns)
            c.push(saved);
        c.mov(columnBytes, Argument(nameof(ColumnArguments.ColumnBytes)));
        c.mov(panelScales, Argument(nameof(ColumnArguments.PanelScales)));
        LoadMagic();
        if (levels is not null)
            c.vbroadcasti32x4(ColumnLevels, __xmmword_ptr[scaleCode.Data(levels)]);
        if (hasUpper)
            c.vmovdqu32(UpperShifts, scaleCode.Vector([.. Enumerable.Repeat((byte)0, 32), .. Enumerable.Repeat<byte[]>([4, 0], 16).SelectMany(word => word)]));
        Label block = c.CreateLabel();
        c.Label(ref block);
        c.mov(first, Argument(nameof(ColumnArguments.First)));
        c.mov(places, Argument(nameof(ColumnArguments.Places)));
        c.mov(counts, Argument(nameof(ColumnArguments.Counts)));
        c.mov(quants, Argument(nameof(ColumnArguments.Quants)));
        c.mov(notes, Argument(nameof(ColumnArguments.Notes)));
        c.mov(unit, Argument(nameof(ColumnArguments.Scales)));
        c.mov(groups, Argument(nameof(ColumnArguments.Groups)));
        c.mov(aheadFirst, Argument(nameof(ColumnArguments.AheadFirst)));
        c.mov(ahead, Argument(nameof(ColumnArguments.Ahead)));
        PrefetchScales(Argument(nameof(ColumnArguments.AheadScales)), panelScales, scales);
        c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
        for (int i = 0; i < BlockPanels; i++)
        {
            if (keepsSums)
                c.vmovups(Kept[i], __zmmword_ptr[sums + i * Vector]);
            else
                c.vpxord(Kept[i], Kept[i], Kept[i]);
        }
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        for (int g = 0; g < units; g++)
        {
            int note = g * kind.NotesPerGroup * Dword;
            for (int p = 0; p < kind.Parts; p++)
            {
                if (kind.Offset != 0)
                    c.vpbroadcastd(Zmm[0], __dword_ptr[notes + note + (1 + p) * Dword]);
                for (int i = kind.Offset != 0 ? 1 : 0; i < BlockPanels; i++)
                    c.vmovdqa32(Zmm[i], kind.Offset != 0 ? Zmm[0] : Magic);
                int at = g * IntegerPanels.Group + p * part;
                AssemblerMemoryOperand count = __byte_ptr[counts + g * kind.Parts + p];
                Label next = c.CreateLabel(), done = c.CreateLabel();
                c.xor(ebx, ebx);
                c.cmp(count, 0);
                c.je(done);
                c.Label(ref next);
                Prefetch(aheadFirst, ahead, columns: 4, blockBytes);
                for (int i = 0; i < 4; i++)
                {
                    c.movzx(eax, __byte_ptr[places + quad * 4 + at + i]);
                    c.imul(rax, columnBytes);
                    c.vmovdqu32(Zmm[8 + i], __zmmword_ptr[first + rax]);
                    if (hasUpper)
                        c.vbroadcasti64x4(Zmm[12 + i], __ymmword_ptr[first + rax + Vector]);
                    else if (!isNibbles)
                        c.vmovdqu32(Zmm[12 + i], __zmmword_ptr[first + rax + Vector]);
                }
                MultiplyColumns(scaleCode, layout, __dword_bcst[quants + quad * 4 + at]);
                c.inc(ebx);
                c.cmp(bl, count);
                c.jb(next);
                c.Label(ref done);
                c.mov(scales, unit);
                for (int i = 0; i < BlockPanels; i++)
                {
                    layout.Scales.AssembleUnit(scaleCode);
                    layout.Scales.AssembleScale(scaleCode, g, p, isMin: false, Scale);
                    c.vsubps(Zmm[i], Zmm[i], Magic);
                    AssemblerRegisterZMM result = keepsSums ? Zmm[i] : Kept[i];
                    if (p > 0 || kind.HasWideScale)
                        c.vfmadd231ps(result, Zmm[i], Scale);
                    else
                        c.vmulps(result, Zmm[i], Scale);
                    for (int m = 0; m < kind.Parts && kind.HasMin && p == kind.Parts - 1; m++)
                    {
                        layout.Scales.AssembleScale(scaleCode, g, m, isMin: true, Scale);
                        c.vfmadd231ps(result, Scale, __dword_bcst[notes + note + (1 + kind.Parts + m) * Dword]);
                    }
                    c.add(scales, panelScales);
                }
            }
            bool isLast = g == units - 1;
            if (!keepsSums && (isLast || !kind.HasWideScale))
            {
                // Where groups share a scale of the activations, each has a copy of it.
                c.vbroadcastss(Scale, __dword_ptr[notes + note]);
                c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
                AddKept(sums, Scale);
            }
            for (int i = 0; i < BlockPanels && keepsSums; i++)
                c.vfmadd231ps(Kept[i], Zmm[i], __dword_bcst[notes + note]);
        }
        c.add(places, units * IntegerPanels.Group);
        c.add(quants, units * IntegerPanels.Group);
        c.add(counts, units * kind.Parts);
        c.add(notes, units * kind.NotesPerGroup * Dword);
        c.add(unit, layout.Scales.UnitBytes);
        c.sub(groups, units);
        c.jnz(loop);
        c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
        for (int i = 0; i < BlockPanels && keepsSums; i++)
            c.vmovups(__zmmword_ptr[sums + i * Vector], Kept[i]);
        PrefetchLeft(Argument(nameof(ColumnArguments.AheadLeft)), quad, aheadFirst, ahead, columns: 4, blockBytes);
        foreach (string name in (string[])[nameof(ColumnArguments.First), nameof(ColumnArguments.AheadFirst)])
            c.add(Argument(name), blockBytes);
        c.add(Argument(nameof(ColumnArguments.Sums)), IColumns.BlockRows * sizeof(float));
        c.lea(rax, __[panelScales * BlockPanels]);
        c.add(Argument(nameof(ColumnArguments.Scales)), rax);
        c.add(Argument(nameof(ColumnArguments.AheadScales)), rax);
        c.dec(Argument(nameof(ColumnArguments.Blocks)));
        c.jnz(block);
        RestoreColumns();
        Leave();
        ConstantBytes = scaleCode.WriteConstants(Padding);
    }

    private static AssemblerRegister64[] SavedByColumns => [rbx, rbp, r12, r13, r14, r15];

    private static AssemblerRegisterZMM ColumnLevels => zmm30;

    // By how much each word of upper bits moves; codes of 6 bits have no levels, whose register this is.
    private static AssemblerRegisterZMM UpperShifts => zmm30;

    /// <summary>
    /// Four columns, as <see cref="Cpu.ColumnIntegers"/> draws them, join the products: registers from 8 on hold the first vector of each, those from
    /// 12 on what follows it.
    /// </summary>
    private void MultiplyColumns(ScaleAssembler constants, IntegerLayout layout, AssemblerMemoryOperand activation)
    {
        bool isNibbles = Cpu.ColumnIntegers.IsOfNibbles(layout), hasUpper = Cpu.ColumnIntegers.IsOfUpper(layout);
        Interleave(8);
        if (!isNibbles || hasUpper)
            Interleave(12);
        for (int i = 0; i < BlockPanels && !isNibbles; i++)
            c.vpdpbusd(Zmm[i], Zmm[8 + i], activation);
        for (int i = 0; i < BlockPanels / 2 && isNibbles; i++)
        {
            AssemblerMemoryOperand mask = constants.Constant(0x0F0F0F0F), upperMask = constants.Constant(0x30303030);
            c.vpandd(zmm24, Zmm[8 + i], mask);
            c.vpsrlw(zmm25, Zmm[8 + i], 4);
            c.vpandd(zmm25, zmm25, mask);
            if (layout.HasLevels)
            {
                c.vpshufb(zmm24, ColumnLevels, zmm24);
                c.vpshufb(zmm25, ColumnLevels, zmm25);
            }
            if (hasUpper)
            {
                c.vpsllvw(zmm26, Zmm[12 + i], UpperShifts);
                c.vpsrlw(zmm27, zmm26, 2);
                c.vpternlogd(zmm24, zmm26, upperMask, 0xF8); // zmm24 | (zmm26 & mask)
                c.vpternlogd(zmm25, zmm27, upperMask, 0xF8);
            }
            c.vpdpbusd(Zmm[i], zmm24, activation);
            c.vpdpbusd(Zmm[4 + i], zmm25, activation);
        }
    }

    /// <summary>void (columns, values, count, <see cref="ColumnArguments"/>*) of floats of this type.</summary>
    public void ColumnFloats(TensorType type)
    {
        AssemblerRegister64 columns = rdi, values = rsi, count = rdx, given = rcx, first = r8, columnBytes = r9, sums = r10, aheadFirst = r11, ahead = rbx,
            at = rbp, blocks = r12;
        AssemblerMemoryOperand Argument(string name) => Field<ColumnArguments>(given, name);
        int size = type == TensorType.F16 ? Vector / 2 : Vector, blockBytes = BlockPanels * size;
        Enter(4);
        foreach (AssemblerRegister64 saved in SavedByColumns)
            c.push(saved);
        c.mov(first, Argument(nameof(ColumnArguments.First)));
        c.mov(columnBytes, Argument(nameof(ColumnArguments.ColumnBytes)));
        c.mov(sums, Argument(nameof(ColumnArguments.Sums)));
        c.mov(aheadFirst, Argument(nameof(ColumnArguments.AheadFirst)));
        c.mov(blocks, Argument(nameof(ColumnArguments.Blocks)));
        Label block = c.CreateLabel(), loop = c.CreateLabel();
        c.Label(ref block);
        c.mov(ahead, Argument(nameof(ColumnArguments.Ahead)));
        for (int i = 0; i < BlockPanels; i++)
            c.vmovups(Kept[i], __zmmword_ptr[sums + i * Vector]);
        c.xor(ebp, ebp);
        c.Label(ref loop);
        Prefetch(aheadFirst, ahead, columns: 1, blockBytes);
        c.movsxd(rax, __dword_ptr[columns + at * Dword]);
        c.imul(rax, columnBytes);
        c.add(rax, first);
        c.vbroadcastss(zmm24, __dword_ptr[values + at * Dword]);
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
        c.inc(at);
        c.cmp(at, count);
        c.jb(loop);
        for (int i = 0; i < BlockPanels; i++)
            c.vmovups(__zmmword_ptr[sums + i * Vector], Kept[i]);
        PrefetchLeft(Argument(nameof(ColumnArguments.AheadLeft)), at, aheadFirst, ahead, columns: 1, blockBytes);
        c.add(first, blockBytes);
        c.add(aheadFirst, blockBytes);
        c.add(sums, IColumns.BlockRows * sizeof(float));
        c.dec(blocks);
        c.jnz(block);
        RestoreColumns();
        Leave();
    }

    // A few lines at a time: more than the processor can wait for at once would stop it.
    private void Prefetch(AssemblerRegister64 first, AssemblerRegister64 ahead, int columns, int bytes)
    {
        for (int column = 0; column < columns; column++)
        {
            c.movsxd(rax, __dword_ptr[ahead + column * Dword]);
            for (int at = 0; at < bytes; at += Vector)
                c.prefetcht1(__byte_ptr[first + rax + at]);
        }
        c.add(ahead, columns * Dword);
    }

    // Those of a block's panels.
    private void PrefetchScales(AssemblerMemoryOperand from, AssemblerRegister64 panelScales, AssemblerRegister64 end)
    {
        Label loop = c.CreateLabel();
        c.mov(rax, from);
        c.lea(end, __[rax + panelScales * BlockPanels]);
        c.Label(ref loop);
        c.prefetcht1(__byte_ptr[rax]);
        c.add(rax, Vector);
        c.cmp(rax, end);
        c.jb(loop);
    }

    private void RestoreColumns()
    {
        for (int i = SavedByColumns.Length - 1; i >= 0; i--)
            c.pop(SavedByColumns[i]);
    }

    // Those that are more than there were turns.
    private void PrefetchLeft(AssemblerMemoryOperand turns, AssemblerRegister64 count, AssemblerRegister64 first, AssemblerRegister64 ahead, int columns, int bytes)
    {
        Label loop = c.CreateLabel(), done = c.CreateLabel();
        c.mov(count, turns);
        c.test(count, count);
        c.jz(done);
        c.Label(ref loop);
        Prefetch(first, ahead, columns, bytes);
        c.dec(count);
        c.jnz(loop);
        c.Label(ref done);
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
