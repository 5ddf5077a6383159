using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

internal sealed partial class KernelAssembler
{
    // Bytes of a panel's numbers for a tile in AmxKernels.Room: 16 tokens times 16 rows.
    private const int TileBytes = AmxKernels.MaxTokens * Vector;

    /// <summary>
    /// void (<see cref="PairArguments"/>*) with AMX: as <see cref="IntegerPair"/>, but up to 16 tokens, whose activations lie as
    /// [groups, tokens, 32]. A tile of activations [tokens, 32] times a panel's tile [8, 16 rows, 4] gives all exact sums of a group at once;
    /// they go through memory, for tiles have no other way out, and are scaled by AVX-512 in the order of all other kernels.
    /// </summary>
    public void IntegerTiles(IntegerKind kind)
    {
        AssemblerRegister64 codes = rdi, scales = rsi, activations = rdx, notes = rcx, sums = r8, groups = r9;
        AssemblerRegister64 room = rbx, step = r12; // 32: an activation's row; twice that is a row of codes or sums
        ScaleAssembler constants = new(c, scales);
        isWide = kind.HasWideScale;
        int quads = 8 / kind.Parts;
        Enter(1);
        c.push(rbx);
        c.push(r12);
        LoadPair();
        c.mov(room, PairField(nameof(PairArguments.Room)));
        c.mov(step, IntegerPanels.Group);
        c.ldtilecfg(__[constants.Data(TileShapes(quads))]);
        LoadMagic();
        Label tile = c.CreateLabel(), wide = c.CreateLabel(), loop = c.CreateLabel();
        StartTile(ref tile);
        if (isWide)
        {
            c.Label(ref wide);
            c.mov(Within, IntegerPanels.WideGroups);
            c.vpxord(zmm0, zmm0, zmm0);
            for (int i = 0; i < 2 * tokens; i++)
                c.vmovups(TileResult(room, i), zmm0);
        }
        c.Label(ref loop);
        for (int p = 0; p < kind.Parts; p++)
        {
            c.tileloadd(tmm2, __[activations + step * 1 + p * quads * 4]);
            for (int panel = 0; panel < 2; panel++)
            {
                AssemblerRegisterTMM sum = panel == 0 ? tmm0 : tmm1, weights = panel == 0 ? tmm3 : tmm4;
                c.tilezero(sum);
                c.tileloadd(weights, __[codes + step * 2 + (panel * WorkerScratch.CodeBytes + p * quads * Vector)]);
                c.tdpbsud(sum, tmm2, weights);
                c.tilestored(__[room + step * 2 + panel * TileBytes], sum);
                c.vmovups(Zmm[4 + panel], __zmmword_ptr[scales + panel * WorkerScratch.ScaleBytes + p * Vector]);
            }
            for (int i = 0; i < 2 * tokens; i++)
            {
                AssemblerRegisterZMM value = Zmm[8 + i % 8];
                if (i % 2 == 0)
                    c.vpbroadcastd(zmm6, __dword_ptr[notes + ((1 + p) * tokens + i / 2) * Dword]);
                c.vpaddd(value, zmm6, __zmmword_ptr[room + i % 2 * TileBytes + i / 2 * Vector]);
                c.vsubps(value, value, Magic);
                if (p == 0 && !isWide)
                    c.vmulps(value, value, Zmm[4 + i % 2]);
                else
                    c.vfmadd213ps(value, Zmm[4 + i % 2], TileResult(room, i));
                c.vmovups(TileResult(room, i), value);
            }
        }
        for (int p = 0; p < kind.Parts && kind.HasMin; p++)
        {
            for (int panel = 0; panel < 2; panel++)
                c.vmovups(Zmm[4 + panel], __zmmword_ptr[scales + panel * WorkerScratch.ScaleBytes + (kind.Parts + p) * Vector]);
            AddToTiles(i => Zmm[4 + i % 2], t => __dword_ptr[notes + ((1 + kind.Parts + p) * tokens + t) * Dword], room);
        }
        int note = kind.NotesPerGroup * tokens * Dword;
        if (!isWide)
            AddTiles(notes, 0, sums, room);
        c.add(codes, IntegerPanels.GroupCodes);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.add(activations, IntegerPanels.Group * tokens);
        c.add(notes, note);
        if (isWide)
        {
            c.dec(Within);
            c.jnz(loop);
            AddTiles(notes, -note, sums, room);
            c.sub(groups, IntegerPanels.WideGroups);
            c.jnz(wide);
        }
        else
        {
            c.dec(groups);
            c.jnz(loop);
        }
        EndTile(tile);
        c.tilerelease();
        c.pop(r12);
        c.pop(rbx);
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    // Result i is of token i / 2 and panel i % 2; results lie behind the tiles' exact sums.
    private static AssemblerMemoryOperand TileResult(AssemblerRegister64 room, int i) =>
        __zmmword_ptr[room + (2 + i % 2) * TileBytes + i / 2 * Vector];

    /// <summary>Joins a product of a panel's number and a token's number to each result.</summary>
    private void AddToTiles(
        Func<int, AssemblerRegisterZMM> ofPanel, Func<int, AssemblerMemoryOperand> ofToken, AssemblerRegister64 room)
    {
        for (int i = 0; i < 2 * tokens; i++)
        {
            AssemblerRegisterZMM value = Zmm[8 + i % 8];
            if (i % 2 == 0)
                c.vbroadcastss(zmm6, ofToken(i / 2));
            c.vmovups(value, zmm6);
            c.vfmadd213ps(value, ofPanel(i), TileResult(room, i));
            c.vmovups(TileResult(room, i), value);
        }
    }

    /// <summary>Joins the results, times the scales of the activations, to the sums.</summary>
    private void AddTiles(AssemblerRegister64 notes, int note, AssemblerRegister64 sums, AssemblerRegister64 room)
    {
        for (int i = 0; i < 2 * tokens; i++)
        {
            AssemblerRegisterZMM value = Zmm[8 + i % 8];
            if (i % 2 == 0)
                c.vbroadcastss(zmm6, __dword_ptr[notes + note + i / 2 * Dword]);
            c.vmovups(value, TileResult(room, i));
            c.vfmadd213ps(value, zmm6, PairSum(sums, i));
            c.vmovups(PairSum(sums, i), value);
        }
    }

    /// <summary>
    /// LDTILECFG's 64 bytes: palette 1, from byte 16 each tile's bytes in a row as 16 bits, from byte 48 its rows. Tiles 0 and 1 are the sums,
    /// 2 the activations, 3 and 4 the codes.
    /// </summary>
    private byte[] TileShapes(int quads)
    {
        byte[] shapes = new byte[Vector];
        shapes[0] = 1;
        ReadOnlySpan<(int Rows, int Bytes)> of = [(tokens, Vector), (tokens, Vector), (tokens, quads * 4), (quads, Vector), (quads, Vector)];
        for (int i = 0; i < of.Length; i++)
        {
            shapes[16 + 2 * i] = (byte)of[i].Bytes;
            shapes[48 + i] = (byte)of[i].Rows;
        }
        return shapes;
    }
}
