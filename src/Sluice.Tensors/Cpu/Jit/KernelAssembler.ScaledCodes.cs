using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <content>
/// Kernels of <see cref="Cpu.ScaledCodes"/>: pairs of bfloat16, or singles, as <see cref="CodeKind"/> says. Each part of a group is summed from
/// zero, so that with one token the sums of several groups are under way at once.
/// </content>
internal sealed partial class KernelAssembler
{
    /// <summary>void (values, scales, activations, sums of activations, sums, groups), where values and scales are unpacked.</summary>
    public void ScaledCodes(CodeKind kind)
    {
        AssemblerRegister64 values = rdi, scales = rsi, activations = rdx, sumsOf = rcx, sums = r8, groups = r9;
        AssemblerRegisterZMM scale = zmm24;
        Enter(6);
        LoadSums(sums);
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        int vectors = kind.VectorsPerGroup / kind.Parts;
        for (int p = 0; p < kind.Parts; p++)
        {
            ClearProducts();
            for (int i = p * vectors; i < (p + 1) * vectors; i++)
            {
                c.vmovups(Zmm[16 + i % 4], __zmmword_ptr[values + i * Vector]);
                AddVector(kind, Zmm[16 + i % 4], activations, i);
            }
            c.vmovups(scale, __zmmword_ptr[scales + p * Vector]);
            AddProducts(scale);
        }
        for (int p = 0; p < kind.SumsPerGroup; p++)
        {
            c.vmovups(scale, __zmmword_ptr[scales + (kind.Parts + p) * Vector]);
            AddMinimums(scale, sumsOf, p);
        }
        c.add(values, kind.VectorsPerGroup * Vector);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.add(activations, kind.VectorsPerGroup * tokens * Dword);
        c.add(sumsOf, kind.SumsPerGroup * tokens * Dword);
        c.dec(groups);
        c.jnz(loop);
        StoreSums(sums);
        Leave();
    }

    /// <summary>
    /// void (<see cref="PairArguments"/>*): two panels at once, tile after tile, as <see cref="IntegerPair"/>. Of at most 6 tokens there are
    /// 12 products in registers 0 to 11, and the sums in 12 to 23.
    /// </summary>
    public void ScaledCodePair(CodeKind kind)
    {
        AssemblerRegister64 values = rdi, scales = rsi, activations = rdx, sumsOf = rcx, sums = r8, groups = r9;
        AssemblerRegisterZMM[] weights = [zmm24, zmm25], scale = [zmm26, zmm27];
        Enter(1);
        LoadPair();
        Label tile = c.CreateLabel(), loop = c.CreateLabel();
        StartTile(ref tile);
        for (int i = 0; i < 2 * tokens; i++)
            c.vmovups(Zmm[12 + i], PairSum(sums, i));
        c.Label(ref loop);
        int vectors = kind.VectorsPerGroup / kind.Parts;
        for (int p = 0; p < kind.Parts; p++)
        {
            for (int i = 0; i < 2 * tokens; i++)
                c.vpxord(Zmm[i], Zmm[i], Zmm[i]);
            for (int at = p * vectors; at < (p + 1) * vectors; at++)
            {
                for (int panel = 0; panel < 2; panel++)
                    c.vmovups(weights[panel], __zmmword_ptr[values + panel * WorkerScratch.ValueBytes + at * Vector]);
                for (int t = 0; t < tokens; t++)
                {
                    AssemblerRegisterZMM activation = Loaded[t % 3];
                    c.vbroadcastss(activation, __dword_ptr[activations + (at * tokens + t) * Dword]);
                    for (int panel = 0; panel < 2; panel++)
                    {
                        if (kind.IsSingle)
                            c.vfmadd231ps(Zmm[2 * t + panel], weights[panel], activation);
                        else
                            c.vdpbf16ps(Zmm[2 * t + panel], weights[panel], activation);
                    }
                }
            }
            LoadScales(p);
            for (int i = 0; i < 2 * tokens; i++)
                c.vfmadd231ps(Zmm[12 + i], Zmm[i], scale[i % 2]);
        }
        for (int p = 0; p < kind.SumsPerGroup; p++)
        {
            LoadScales(kind.Parts + p);
            for (int t = 0; t < tokens; t++)
            {
                AssemblerRegisterZMM sum = Loaded[t % 3];
                c.vbroadcastss(sum, __dword_ptr[sumsOf + (p * tokens + t) * Dword]);
                for (int i = 2 * t; i < 2 * t + 2; i++)
                    c.vfmadd231ps(Zmm[12 + i], scale[i % 2], sum);
            }
        }
        c.add(values, kind.VectorsPerGroup * Vector);
        c.add(scales, kind.ScalesPerGroup * sizeof(float));
        c.add(activations, kind.VectorsPerGroup * tokens * Dword);
        c.add(sumsOf, kind.SumsPerGroup * tokens * Dword);
        c.dec(groups);
        c.jnz(loop);
        for (int i = 0; i < 2 * tokens; i++)
            c.vmovups(PairSum(sums, i), Zmm[12 + i]);
        EndTile(tile);
        Leave();

        void LoadScales(int number)
        {
            for (int panel = 0; panel < 2; panel++)
                c.vmovups(scale[panel], __zmmword_ptr[scales + panel * WorkerScratch.ScaleBytes + number * Vector]);
        }
    }

    /// <summary>void (units, activations, sums of activations, sums, groups) of one panel: as <see cref="Packed"/>.</summary>
    public void PackedCodes(CodeKind kind, int offset, IntegerLayout layout, byte[]? levels)
    {
        AssemblerRegister64 codes = rdi, activations = rsi, sumsOf = rdx, sums = rcx, groups = r8, scales = r10, within = r11;
        ScaleAssembler constants = new(c, scales);
        PairAssembler converter = new(constants, 1 << layout.Bits, code => (levels is null ? code : levels[code]) - offset);
        int unit = layout.Scales.UnitGroups, quads = 8 / kind.Parts, groupBytes = layout.Bits * Vector;
        Enter(5);
        converter.Start();
        LoadSums(sums);
        (Label stretch, Label loop) = StartStretches(codes, scales, groups, within, groupBytes);
        layout.Scales.AssembleUnit(constants);
        for (int g = 0; g < unit; g++)
        {
            Prefetch(codes, g * groupBytes, groupBytes);
            for (int p = 0; p < kind.Parts; p++)
            {
                ClearProducts();
                for (int quad = p * quads; quad < (p + 1) * quads; quad++)
                {
                    UnpackQuad(constants, layout with { HasLevels = false }, codes, g * groupBytes, quad);
                    converter.Convert(Code);
                    AddQuad(constants, kind, activations, g, quad);
                }
                layout.Scales.AssembleScale(constants, g, p, isMin: false, Scale);
                AddProducts(Scale);
            }
            for (int p = 0; p < kind.SumsPerGroup; p++)
            {
                layout.Scales.AssembleScale(constants, g, p, isMin: true, Scale);
                AddMinimums(Scale, sumsOf, g * kind.SumsPerGroup + p);
            }
        }
        Prefetch(scales, 0, layout.Scales.UnitBytes);
        c.add(codes, unit * groupBytes);
        c.add(scales, layout.Scales.UnitBytes);
        c.add(activations, unit * kind.VectorsPerGroup * tokens * Dword);
        c.add(sumsOf, unit * kind.SumsPerGroup * tokens * Dword);
        EndStretches(stretch, loop, codes, scales, groups, within, unit);
        StoreSums(sums);
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    /// <summary>void (codes, activations, sums, columns) of packed <see cref="Formats.ScaledFloats"/>.</summary>
    /// <param name="kind">What codes meet.</param>
    /// <param name="format">The format.</param>
    /// <param name="pairs">What its codes stand for: <see cref="PackedScaledFloats.Pairs"/>.</param>
    public void ScaledLevels(CodeKind kind, ScaledFloats format, ReadOnlySpan<int> pairs)
    {
        AssemblerRegister64 codes = rdi, activations = rsi, sums = rdx, columns = rcx, left = r8;
        AssemblerRegisterZMM pair = zmm16, scale = zmm24;
        ScaleAssembler constants = new(c, codes);
        bool looksUp = format.Bits == 8 && Float8Pairs.IsSupported;
        Enter(4);
        if (format.Bits == 4)
            c.vmovdqu32(zmm20, PairAssembler.Table(constants, pairs[..16]));
        else if (looksUp)
            LoadFloat8Tables(constants, pairs);
        else
            PairAssembler.LoadMerge(constants);
        LoadSums(sums);
        Label block = c.CreateLabel(), loop = c.CreateLabel();
        c.Label(ref block);
        Prefetch(codes, 0, Vector);
        c.vmovups(scale, __zmmword_ptr[codes]);
        if (format.Unit != 1 && !looksUp)
            c.vmulps(scale, scale, constants.Constant(BitConverter.SingleToInt32Bits(format.Unit)));
        c.add(codes, Vector);
        c.mov(left, format.BlockSize);
        c.Label(ref loop);
        int bytes = AtOnce * Panels.Height * format.Bits / 8;
        Prefetch(codes, 0, bytes);
        ClearProducts();
        for (int i = 0; i < IntegerPanels.Group / 2; i++)
        {
            if (looksUp)
            {
                if (i % 2 == 0)
                    LookUpFloat8s(constants, __zmmword_ptr[codes + i * 2 * Panels.Height]);
                if (i % 2 == 0)
                    c.vpunpcklbw(pair, zmm20, zmm21);
                else
                    c.vpunpckhbw(pair, zmm20, zmm21);
            }
            else if (format.Bits == 8)
                LoadFloat8Pair(constants, __ymmword_ptr[codes + i * 2 * Panels.Height], isUpper: format.Unit == 1);
            else
            {
                // The even column's 4 bits stay in the lower half, whose fifth bit the table ignores; the odd one's go to the upper.
                c.vpmovzxbd(pair, __xmmword_ptr[codes + i * Panels.Height]);
                c.vpslld(zmm17, pair, 12);
                c.vpord(pair, pair, zmm17);
                c.vpermw(pair, pair, zmm20);
            }
            AddPair(constants, kind, pair, activations, i);
        }
        AddProducts(scale);
        c.add(codes, bytes);
        c.add(activations, kind.VectorsPerGroup * tokens * Dword);
        c.sub(left, AtOnce);
        c.jnz(loop);
        c.sub(columns, format.BlockSize);
        c.jnz(block);
        StoreSums(sums);
        Leave();
        ConstantBytes = constants.WriteConstants(Padding);
    }

    /// <summary>Two columns of floats of 8 bits as pairs, in register 16: as halves, then singles, of which the upper halves are all there is.</summary>
    private void LoadFloat8Pair(ScaleAssembler constants, AssemblerMemoryOperand codes, bool isUpper)
    {
        c.vpmovzxbw(zmm17, codes);
        c.vpsllw(zmm17, zmm17, 8);
        if (!isUpper)
        {
            // See LoadFloat8.
            c.vpsraw(zmm17, zmm17, 1);
            c.vpandd(zmm17, zmm17, constants.Constant(unchecked((int)0xBFFFBFFF)));
        }
        c.vextracti64x4(ymm18, zmm17, 1);
        c.vcvtph2ps(zmm16, ymm17);
        c.vcvtph2ps(zmm18, ymm18);
        c.vpermt2w(zmm16, zmm26, zmm18);
    }

    /// <summary>Loads registers 26 to 30: the order of four columns, and what codes without their sign stand for, lower and upper bytes.</summary>
    private void LoadFloat8Tables(ScaleAssembler constants, ReadOnlySpan<int> pairs)
    {
        byte[] lower = Float8Pairs.Bytes(pairs, upper: false), upper = Float8Pairs.Bytes(pairs, upper: true);
        c.vmovdqu32(zmm26, constants.Vector(Float8Pairs.Order));
        c.vmovdqu32(zmm27, constants.Vector(lower[..Vector]));
        c.vmovdqu32(zmm28, constants.Vector(lower[Vector..]));
        c.vmovdqu32(zmm29, constants.Vector(upper[..Vector]));
        c.vmovdqu32(zmm30, constants.Vector(upper[Vector..]));
    }

    /// <summary>Looks up four columns: their bfloat16s' lower bytes in register 20, the upper ones in 21, so that unpacking them gives pairs.</summary>
    private void LookUpFloat8s(ScaleAssembler constants, AssemblerMemoryOperand codes)
    {
        c.vpermb(zmm19, zmm26, codes);
        c.vmovdqa32(zmm20, zmm19);
        c.vmovdqa32(zmm21, zmm19);
        c.vpermi2b(zmm20, zmm27, zmm28); // only the lowest 7 bits of an index count
        c.vpermi2b(zmm21, zmm29, zmm30);
        c.vpternlogd(zmm21, zmm19, constants.Constant(unchecked((int)0x80808080)), 0xF8); // upper | (code & sign)
    }

    private void ClearProducts()
    {
        for (int t = 0; t < tokens; t++)
            c.vpxord(Dot(t), Dot(t), Dot(t));
    }

    /// <summary>Joins the products of a vector of codes, whose number counts from where the activations begin.</summary>
    private void AddVector(CodeKind kind, AssemblerRegisterZMM codes, AssemblerRegister64 activations, int number)
    {
        for (int t = 0; t < tokens; t++)
        {
            AssemblerMemoryOperand activation = __dword_bcst[activations + (number * tokens + t) * Dword];
            if (kind.IsSingle)
                c.vfmadd231ps(Dot(t), codes, activation);
            else
                c.vdpbf16ps(Dot(t), codes, activation);
        }
    }

    /// <summary>Joins the products of a pair of columns, by way of register 18 if they become singles.</summary>
    private void AddPair(ScaleAssembler constants, CodeKind kind, AssemblerRegisterZMM pair, AssemblerRegister64 activations, int number)
    {
        if (!kind.IsSingle)
        {
            AddVector(kind, pair, activations, number);
            return;
        }
        c.vpandd(zmm18, pair, constants.Constant(unchecked((int)0xFFFF0000)));
        AddVector(kind, zmm18, activations, 2 * number);
        c.vpslld(zmm18, pair, 16);
        AddVector(kind, zmm18, activations, 2 * number + 1);
    }

    /// <summary>Joins the products of the quad whose pairs are in registers 16 and 17.</summary>
    private void AddQuad(ScaleAssembler constants, CodeKind kind, AssemblerRegister64 activations, int group, int quad)
    {
        for (int i = 0; i < 2; i++)
            AddPair(constants, kind, Zmm[16 + i], activations, group * IntegerPanels.Group / 2 + 2 * quad + i);
    }

    private void AddProducts(AssemblerRegisterZMM scale)
    {
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Sum(t), Dot(t), scale);
    }

    private void AddMinimums(AssemblerRegisterZMM minimums, AssemblerRegister64 sumsOf, int number)
    {
        for (int t = 0; t < tokens; t++)
            c.vfmadd231ps(Sum(t), minimums, __dword_bcst[sumsOf + (number * tokens + t) * Dword]);
    }
}
