using System.Runtime.InteropServices;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Writes the kernels that <see cref="Kernels"/> describes, for one number of tokens, in AVX-512. A register holds 16 rows; the
/// activations are memory operands, broadcast to all of them.
/// </summary>
internal sealed partial class KernelAssembler(int tokens)
{
    private const int Vector = 64, Dword = 4;

    // Unpacking fills the reorder buffer before enough loads are under way to cover the memory's latency. With hints this far
    // ahead of Q6_K's codes one token reads 44 GB/s in place of 31 (Zen 5, two cores); 2 to 16 KiB are all about as good. They go to
    // the second-level cache, since the first waits for few lines at once: 4 to 6 % faster than with prefetcht0 (Zen 4).
    private const int PrefetchDistance = 4096;

    private static readonly AssemblerRegisterZMM[] Zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    // Arguments, where Linux passes the first six.
    private static readonly AssemblerRegister64[] Arguments = [rdi, rsi, rdx, rcx, r8, r9];

    private readonly Assembler c = new(64);
    private bool isWide; // whether groups share a scale of the activations

    /// <summary>Bytes to leave between the instructions and the constants that follow them.</summary>
    public int Padding { get; init; }

    /// <summary>Bytes of the constants, once they are written.</summary>
    public int ConstantBytes { get; private set; }

    /// <summary>void (codes, scales, activations, notes, sums, groups).</summary>
    public void Integers(IntegerKind kind)
    {
        AssemblerRegister64 codes = rdi, scales = rsi, activations = rdx, notes = rcx, sums = r8, groups = r9;
        isWide = kind.HasWideScale;
        Enter(6);
        LoadMagic();
        LoadSums(sums);
        Label wide = c.CreateLabel(), loop = c.CreateLabel();
        if (isWide)
        {
            c.Label(ref wide);
            c.mov(Within, IntegerPanels.WideGroups);
        }
        ClearWide();
        c.Label(ref loop);
        int quads = 8 / kind.Parts;
        for (int p = 0; p < kind.Parts; p++)
        {
            StartProducts(kind, notes, 0, p);
            for (int quad = p * quads; quad < (p + 1) * quads; quad++)
            {
                AssemblerRegisterZMM weights = Zmm[25 + quad % 4];
                c.vmovdqu32(weights, __zmmword_ptr[codes + quad * Vector]);
                for (int t = 0; t < tokens; t++)
                    c.vpdpbusd(Dot(t), weights, __dword_bcst[activations + (quad * tokens + t) * Dword]);
            }
            c.vmovups(Scale, __zmmword_ptr[scales + p * Vector]);
            ScaleProducts(p, Scale);
        }
        for (int p = 0; p < kind.Parts && kind.HasMin; p++)
        {
            c.vmovups(Scale, __zmmword_ptr[scales + (kind.Parts + p) * Vector]);
            AddMinimums(kind, notes, 0, p, Scale);
        }
        if (!isWide)
            AddGroup(notes, 0, sums);
        int note = kind.NotesPerGroup * tokens * Dword;
        c.add(codes, IntegerPanels.GroupCodes);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.add(activations, IntegerPanels.Group * tokens);
        c.add(notes, note);
        if (isWide)
        {
            c.dec(Within);
            c.jnz(loop);
            AddGroup(notes, -note, sums);
            c.sub(groups, IntegerPanels.WideGroups);
            c.jnz(wide);
        }
        else
        {
            c.dec(groups);
            c.jnz(loop);
        }
        StoreSums(sums);
        Leave();
    }

    /// <summary>
    /// void (<see cref="PairArguments"/>*): two panels at once, the second's data at fixed distances, tile after tile. Two products
    /// share each activation that is loaded, so that arithmetic is the limit, not loads. Of at most 6 tokens there are 12 products in
    /// registers 0 to 11, and in 12 to 23 the sums or, where several parts join first, their results.
    /// </summary>
    public void IntegerPair(IntegerKind kind)
    {
        AssemblerRegister64 codes = rdi, scales = rsi, activations = rdx, notes = rcx, sums = r8, groups = r9;
        ReadOnlySpan<AssemblerRegisterZMM> joined = Zmm.AsSpan(12, 2 * tokens);
        bool keepsSums = kind is { Parts: 1, HasWideScale: false };
        Enter(1);
        LoadPair();
        LoadMagic();
        Label tile = c.CreateLabel(), wide = c.CreateLabel(), loop = c.CreateLabel();
        StartTile(ref tile);
        for (int i = 0; i < joined.Length && keepsSums; i++)
            c.vmovups(joined[i], PairSum(sums, i));
        if (kind.HasWideScale)
        {
            c.Label(ref wide);
            c.mov(Within, IntegerPanels.WideGroups);
            foreach (AssemblerRegisterZMM result in joined)
                c.vpxord(result, result, result);
        }
        c.Label(ref loop);
        PairProducts(kind, keepsSums ? Zmm.AsSpan(0, 12) : joined);
        if (!kind.HasWideScale)
            AddPairs(notes, 0, keepsSums ? joined : [], sums);
        int note = kind.NotesPerGroup * tokens * Dword;
        c.add(codes, IntegerPanels.GroupCodes);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.add(activations, IntegerPanels.Group * tokens);
        c.add(notes, note);
        if (kind.HasWideScale)
        {
            c.dec(Within);
            c.jnz(loop);
            AddPairs(notes, -note, [], sums);
            c.sub(groups, IntegerPanels.WideGroups);
            c.jnz(wide);
        }
        else
        {
            c.dec(groups);
            c.jnz(loop);
        }
        for (int i = 0; i < joined.Length && keepsSums; i++)
            c.vmovups(PairSum(sums, i), joined[i]);
        EndTile(tile);
        Leave();
    }

    // The kernels of two panels have their codes in rdi, scales in rsi, activations in rdx, notes in rcx, sums in r8, groups in r9, and these.
    private static AssemblerRegister64 Tiles => r10;

    private static AssemblerRegister64 Given => r11;

    private static AssemblerMemoryOperand Field<T>(AssemblerRegister64 arguments, string name) => __qword_ptr[arguments + (int)Marshal.OffsetOf<T>(name)];

    private static AssemblerMemoryOperand PairField(string name) => Field<PairArguments>(Given, name);

    /// <summary>Loads what goes on from tile to tile of the first argument, a <see cref="PairArguments"/>*.</summary>
    private void LoadPair()
    {
        c.mov(Given, rdi);
        c.mov(rdx, PairField(nameof(PairArguments.Activations)));
        c.mov(rcx, PairField(nameof(PairArguments.Notes)));
        c.mov(r8, PairField(nameof(PairArguments.Sums)));
        c.mov(Tiles, PairField(nameof(PairArguments.Tiles)));
    }

    /// <summary>Begins the loop over tiles: each starts with the panels' first group.</summary>
    private void StartTile(ref Label tile)
    {
        c.Label(ref tile);
        c.mov(rdi, PairField(nameof(PairArguments.Codes)));
        c.mov(rsi, PairField(nameof(PairArguments.Scales)));
        c.mov(r9, PairField(nameof(PairArguments.Groups)));
    }

    private void EndTile(Label tile)
    {
        c.add(r8, tokens * Vector);
        c.dec(Tiles);
        c.jnz(tile);
    }

    // Sum i is of token i / 2 and panel i % 2.
    private static AssemblerMemoryOperand PairSum(AssemblerRegister64 sums, int i) =>
        __zmmword_ptr[sums + i % 2 * WorkerScratch.SumBytes + i / 2 * Vector];

    private static ReadOnlySpan<AssemblerRegisterZMM> Loaded => Zmm.AsSpan(28, 3);

    /// <summary>A group's products, scaled, into its results.</summary>
    private void PairProducts(IntegerKind kind, ReadOnlySpan<AssemblerRegisterZMM> results)
    {
        AssemblerRegister64 codes = rdi, scales = rsi, activations = rdx, notes = rcx;
        int quads = 8 / kind.Parts;
        ReadOnlySpan<AssemblerRegisterZMM> dot = Zmm.AsSpan(0, 2 * tokens);
        AssemblerRegisterZMM[] weights = [zmm24, zmm25], scale = [zmm26, zmm27];
        for (int p = 0; p < kind.Parts; p++)
        {
            for (int t = 0; t < tokens; t++)
            {
                if (kind.Offset != 0)
                {
                    c.vpbroadcastd(dot[2 * t], __dword_ptr[notes + ((1 + p) * tokens + t) * Dword]);
                    c.vmovdqa32(dot[2 * t + 1], dot[2 * t]);
                    continue;
                }
                c.vmovdqa32(dot[2 * t], Magic);
                c.vmovdqa32(dot[2 * t + 1], Magic);
            }
            for (int quad = p * quads; quad < (p + 1) * quads; quad++)
            {
                for (int panel = 0; panel < 2; panel++)
                    c.vmovdqu32(weights[panel], __zmmword_ptr[codes + panel * WorkerScratch.CodeBytes + quad * Vector]);
                for (int t = 0; t < tokens; t++)
                {
                    AssemblerRegisterZMM activation = Loaded[t % 3];
                    c.vpbroadcastd(activation, __dword_ptr[activations + (quad * tokens + t) * Dword]);
                    c.vpdpbusd(dot[2 * t], weights[0], activation);
                    c.vpdpbusd(dot[2 * t + 1], weights[1], activation);
                }
            }
            for (int panel = 0; panel < 2; panel++)
                c.vmovups(scale[panel], __zmmword_ptr[scales + panel * WorkerScratch.ScaleBytes + p * Vector]);
            for (int i = 0; i < dot.Length; i++)
            {
                c.vsubps(dot[i], dot[i], Magic);
                if (p == 0 && !kind.HasWideScale)
                    c.vmulps(results[i], dot[i], scale[i % 2]);
                else
                    c.vfmadd231ps(results[i], dot[i], scale[i % 2]);
            }
        }
        for (int p = 0; p < kind.Parts && kind.HasMin; p++)
        {
            for (int panel = 0; panel < 2; panel++)
                c.vmovups(scale[panel], __zmmword_ptr[scales + panel * WorkerScratch.ScaleBytes + (kind.Parts + p) * Vector]);
            for (int t = 0; t < tokens; t++)
            {
                AssemblerRegisterZMM sum = Loaded[t % 3];
                c.vbroadcastss(sum, __dword_ptr[notes + ((1 + kind.Parts + p) * tokens + t) * Dword]);
                c.vfmadd231ps(results[2 * t], scale[0], sum);
                c.vfmadd231ps(results[2 * t + 1], scale[1], sum);
            }
        }
    }

    /// <summary>Joins results, times the scales of the activations, to sums in registers, or to those in memory where there are none.</summary>
    private void AddPairs(AssemblerRegister64 notes, int at, ReadOnlySpan<AssemblerRegisterZMM> kept, AssemblerRegister64 sums)
    {
        for (int t = 0; t < tokens; t++)
        {
            AssemblerRegisterZMM factor = Loaded[t % 3];
            c.vbroadcastss(factor, __dword_ptr[notes + at + t * Dword]);
            for (int i = 2 * t; i < 2 * t + 2; i++)
            {
                if (!kept.IsEmpty)
                {
                    c.vfmadd231ps(kept[i], Zmm[i], factor);
                    continue;
                }
                c.vfmadd213ps(Zmm[12 + i], factor, PairSum(sums, i)); // result * factor + sum
                c.vmovups(PairSum(sums, i), Zmm[12 + i]);
            }
        }
    }

    /// <summary>void (values, activations, sums, columns) of two panels at once, the second's at fixed distances.</summary>
    public void FloatPair()
    {
        AssemblerRegister64 values = rdi, activations = rsi, sums = rdx, columns = rcx;
        Enter(4);
        for (int i = 0; i < 2 * tokens; i++)
            c.vmovups(Zmm[i], PairSum(sums, i));
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        c.vmovups(zmm16, __zmmword_ptr[values]);
        c.vmovups(zmm17, __zmmword_ptr[values + WorkerScratch.ValueBytes]);
        for (int t = 0; t < tokens; t++)
        {
            c.vbroadcastss(Zmm[18 + t], __dword_ptr[activations + t * Dword]);
            c.vfmadd231ps(Zmm[2 * t], zmm16, Zmm[18 + t]);
            c.vfmadd231ps(Zmm[2 * t + 1], zmm17, Zmm[18 + t]);
        }
        c.add(values, Vector);
        c.add(activations, tokens * Dword);
        c.dec(columns);
        c.jnz(loop);
        for (int i = 0; i < 2 * tokens; i++)
            c.vmovups(PairSum(sums, i), Zmm[i]);
        Leave();
    }

    // The registers of a token in the kernels of one panel: its sum, the products of a part, and the result of the group's parts. Results
    // that last for several groups take the place of the sums, which then stay in memory.
    private static AssemblerRegisterZMM Sum(int t) => Zmm[t];

    private static AssemblerRegisterZMM Dot(int t) => Zmm[8 + t];

    private AssemblerRegisterZMM Result(int t) => isWide ? Zmm[t] : Zmm[16 + t];

    private void LoadSums(AssemblerRegister64 sums)
    {
        for (int t = 0; t < tokens && !isWide; t++)
            c.vmovups(Sum(t), __zmmword_ptr[sums + t * Vector]);
    }

    private void StoreSums(AssemblerRegister64 sums)
    {
        for (int t = 0; t < tokens && !isWide; t++)
            c.vmovups(__zmmword_ptr[sums + t * Vector], Sum(t));
    }

    /// <summary>Begins the products of a part of a group, whose notes are <paramref name="note"/> bytes further.</summary>
    private void StartProducts(IntegerKind kind, AssemblerRegister64 notes, int note, int part)
    {
        for (int t = 0; t < tokens; t++)
        {
            if (kind.Offset != 0)
                c.vpbroadcastd(Dot(t), __dword_ptr[notes + note + ((1 + part) * tokens + t) * Dword]);
            else
                c.vmovdqa32(Dot(t), Magic);
        }
    }

    /// <summary>Begins the result of groups that share a scale of the activations.</summary>
    private void ClearWide()
    {
        for (int t = 0; t < tokens && isWide; t++)
            c.vpxord(Result(t), Result(t), Result(t));
    }

    // Counts groups that share a scale of the activations.
    private static AssemblerRegister64 Within => rax;

    /// <summary>Joins a part's products to the group's result, or begins it.</summary>
    private void ScaleProducts(int part, AssemblerRegisterZMM scale)
    {
        for (int t = 0; t < tokens; t++)
        {
            c.vsubps(Dot(t), Dot(t), Magic);
            if (part == 0 && !isWide)
                c.vmulps(Result(t), Dot(t), scale);
            else
                c.vfmadd231ps(Result(t), Dot(t), scale);
        }
    }

    /// <summary>Joins a part's minimums to the group's result.</summary>
    private void AddMinimums(IntegerKind kind, AssemblerRegister64 notes, int note, int part, AssemblerRegisterZMM minimums)
    {
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Result(t), minimums, __dword_bcst[notes + note + ((1 + kind.Parts + part) * tokens + t) * Dword]);
    }

    /// <summary>Joins the result of a group, or of those that share its scale, to the sums.</summary>
    private void AddGroup(AssemblerRegister64 notes, int note, AssemblerRegister64 sums)
    {
        for (int t = 0; t < tokens; t++)
        {
            if (!isWide)
            {
                c.vfmadd231ps(Sum(t), Result(t), __dword_bcst[notes + note + t * Dword]);
                continue;
            }
            c.vbroadcastss(Code, __dword_ptr[notes + note + t * Dword]);
            c.vfmadd213ps(Result(t), Code, __zmmword_ptr[sums + t * Vector]); // result * factor + sum
            c.vmovups(__zmmword_ptr[sums + t * Vector], Result(t));
        }
    }

    private static AssemblerRegisterZMM Magic => zmm31;

    private static AssemblerRegisterZMM Code => zmm25;

    private static AssemblerRegisterZMM Shifted => zmm30;

    private static AssemblerRegisterZMM Scale => zmm24;

    private static AssemblerRegisterZMM Levels => zmm27; // codes of 4 bits have no second plane, whose register this is

    /// <summary>void (values, activations, sums, columns), where values are stored in this type.</summary>
    public void Floats(TensorType type = TensorType.F32)
    {
        AssemblerRegister64 values = rdi, activations = rsi, sums = rdx, columns = rcx;
        Enter(4);
        LoadSums(sums);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        int size = LoadFloats(zmm16, values, type);
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Sum(t), zmm16, __dword_bcst[activations + t * Dword]);
        c.add(values, size);
        c.add(activations, tokens * Dword);
        c.dec(columns);
        c.jnz(loop);
        StoreSums(sums);
        Leave();
    }

    /// <summary>Loads 16 numbers, of F32, F16 or BF16, as floats.</summary>
    /// <param name="result">The vector.</param>
    /// <param name="values">Where the numbers are.</param>
    /// <param name="type">Their type.</param>
    /// <param name="vector">How many vectors further.</param>
    /// <returns>The bytes that they take.</returns>
    private int LoadFloats(AssemblerRegisterZMM result, AssemblerRegister64 values, TensorType type, int vector = 0)
    {
        switch (type)
        {
            case TensorType.F16:
                c.vcvtph2ps(result, __ymmword_ptr[values + vector * (Vector / 2)]);
                return Vector / 2;
            case TensorType.BF16:
                c.vpmovzxwd(result, __ymmword_ptr[values + vector * (Vector / 2)]);
                c.vpslld(result, result, 16);
                return Vector / 2;
            default:
                c.vmovups(result, __zmmword_ptr[values + vector * Vector]);
                return Vector;
        }
    }

    /// <summary>Appends the machine code.</summary>
    public void Write(Stream code) => c.Assemble(new StreamCodeWriter(code), rip: 0);

    // Sums of products start at the bits of 1.5 * 2^23 and so end as that float plus the sum: a subtraction turns them into floats,
    // on other execution units than the conversion instruction, which competes with the products.
    private void LoadMagic()
    {
        c.mov(eax, Kernels.Magic);
        c.vpbroadcastd(Magic, eax);
    }

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
