using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

internal sealed partial class KernelAssembler
{
    /// <summary>
    /// void (units, activations, notes, sums, groups, panels) of panels with a code book: as <see cref="Packed"/>, but packed as
    /// <see cref="PackedPoints"/> draws them.
    /// </summary>
    public void Points(IntegerKind kind, PointFormat format, PointLayout layout)
    {
        AssemblerRegister64 unit = rdi, activations = rsi, notes = rdx, sums = rcx, groups = r8, panels = r9;
        AssemblerRegisterZMM scale = Code;
        ScaleAssembler constants = new(c, unit);
        PointAssembler points = new(constants, format);
        PointLoader? loader = PointAssembler.Can(format) ? null : new(constants, format, layout, PanelPushed);
        int unitGroups = Panels.Stretch / IntegerPanels.Group, quads = 8 / kind.Parts;
        isWide = kind.HasWideScale; // always, with blocks of 256 weights; looking up needs the registers for results of one group
        Enter(6);
        LoadMagic();
        loader?.Enter(points.Book());
        points.Start([zmm26, .. Zmm[tokens..8], .. Zmm[(8 + tokens)..16]]);
        Label panel = StartPanel(activations, notes, groups), loop = c.CreateLabel();
        c.Label(ref loop);
        ClearWide();
        constants.LoadHalves(layout.ScalesAt, constants.Shared);
        c.vmulps(constants.Shared, constants.Shared, constants.Constant(BitConverter.SingleToInt32Bits(format.Unit)));
        loader?.StartUnit(unit);
        for (int g = 0; g < unitGroups; g++)
        {
            int note = g * kind.NotesPerGroup * tokens * Dword;
            loader?.StartGroup(unit, g);
            PrefetchPart(unit, layout.UnitBytes, g);
            if (format.HasSigns)
                c.vmovdqu32(zmm30, __zmmword_ptr[unit + layout.SignsAt + g * Vector]);
            for (int p = 0; p < kind.Parts; p++)
            {
                for (int quad = p * quads; quad < (p + 1) * quads; quad++)
                {
                    if (loader is not null)
                        loader.LoadAhead(unit, g, quad);
                    else if (points.IsFirst(quad))
                        points.LookUp(unit, layout.HighAt, (g * 8 + quad) * 4 / format.Points.Width);
                    if (quad == p * quads)
                        StartProducts(kind, notes, note, p);
                    points.Quad(quad);
                    if (format.ShiftedWeights > 0)
                        points.Shift(unit, layout.HighAt, g * 8 + quad);
                    for (int t = 0; t < tokens; t++)
                        c.vpdpbusd(Dot(t), Code, __dword_bcst[activations + ((g * 8 + quad) * tokens + t) * Dword]);
                }
                LoadPointScale(constants, layout, g * kind.Parts + p, scale);
                ScaleProducts(p, scale);
            }
        }
        AddGroup(notes, (unitGroups - 1) * kind.NotesPerGroup * tokens * Dword, sums);
        c.add(unit, layout.UnitBytes);
        c.add(activations, unitGroups * IntegerPanels.Group * tokens);
        c.add(notes, unitGroups * kind.NotesPerGroup * tokens * Dword);
        c.sub(groups, unitGroups);
        c.jnz(loop);
        NextPanel(panel, unit, activations, notes, sums, groups, panels);
        loader?.Leave();
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    /// <summary>void (units, activations, sums, groups): the same for activations that are floats.</summary>
    public void ScaledPoints(CodeKind kind, PointFormat format, PointLayout layout)
    {
        AssemblerRegister64 unit = rdi, activations = rsi, sums = rdx, groups = rcx;
        AssemblerRegisterZMM scale = Code;
        ScaleAssembler constants = new(c, unit);
        PointAssembler points = new(constants, format);
        int unitGroups = Panels.Stretch / IntegerPanels.Group, quads = 8 / kind.Parts;
        Enter(4);
        points.StartPairs();
        LoadSums(sums);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        constants.LoadHalves(layout.ScalesAt, constants.Shared);
        c.vmulps(constants.Shared, constants.Shared, constants.Constant(BitConverter.SingleToInt32Bits(format.Unit)));
        for (int g = 0; g < unitGroups; g++)
        {
            PrefetchPart(unit, layout.UnitBytes, g);
            if (format.HasSigns)
                c.vmovdqu32(zmm30, __zmmword_ptr[unit + layout.SignsAt + g * Vector]);
            for (int p = 0; p < kind.Parts; p++)
            {
                ClearProducts();
                for (int quad = p * quads; quad < (p + 1) * quads; quad++)
                {
                    if (points.IsFirst(quad))
                        points.LookUp(unit, layout.HighAt, (g * 8 + quad) * 4 / format.Points.Width);
                    points.Pairs(quad);
                    AddQuad(constants, kind, activations, g, quad);
                }
                LoadPointScale(constants, layout, g * kind.Parts + p, scale);
                AddProducts(scale);
            }
        }
        c.add(unit, layout.UnitBytes);
        c.add(activations, unitGroups * kind.VectorsPerGroup * tokens * Dword);
        c.sub(groups, unitGroups);
        c.jnz(loop);
        StoreSums(sums);
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    // Hints for a whole unit at once would take all buffers for misses, and the next load would wait.
    private void PrefetchPart(AssemblerRegister64 unit, int unitBytes, int group)
    {
        const int Groups = Panels.Stretch / IntegerPanels.Group;
        int lines = (unitBytes + Vector - 1) / Vector, from = group * lines / Groups, to = (group + 1) * lines / Groups;
        Prefetch(unit, from * Vector, (to - from) * Vector);
    }

    /// <summary>The scale of a part, counted over the unit.</summary>
    private void LoadPointScale(ScaleAssembler constants, PointLayout layout, int number, AssemblerRegisterZMM scale)
    {
        c.vpmovzxbd(scale, __xmmword_ptr[constants.Scales + layout.ScalesAt + Panels.Height * (sizeof(ushort) + number / 2)]);
        // 2 s + 1, of the lower or upper 4 bits s.
        if (number % 2 == 0)
            c.vpslld(scale, scale, 1);
        else
            c.vpsrld(scale, scale, 3);
        c.vpandd(scale, scale, constants.Constant(30));
        c.vpord(scale, scale, constants.Constant(1));
        c.vcvtdq2ps(scale, scale);
        c.vmulps(scale, scale, constants.Shared);
    }
}
