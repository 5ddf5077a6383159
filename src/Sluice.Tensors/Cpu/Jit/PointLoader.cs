using System.Numerics;
using Iced.Intel;
using Sluice.Tensors.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Writes the part of a kernel that looks up points of 8 in a book too large for registers, by loads. A book's dword is the numbers of a
/// point's levels after 16 zeros, so that two bytes further they come before the next dword's zeros: a load and an "or" make a row's two
/// neighbouring points, as <see cref="PointAssembler"/> wants them, on the stack. These instructions are no vectors, so they run
/// beside those that multiply the groups before; and loads from the stack come late enough for the stores to have left their buffer.
/// </summary>
/// <param name="constants">The code being written.</param>
/// <param name="format">The format.</param>
/// <param name="layout">Where its units have their parts.</param>
/// <param name="pushed">Bytes on the stack above this one's.</param>
internal sealed class PointLoader(ScaleAssembler constants, PointFormat format, PointLayout layout, int pushed)
{
    private const int Vector = 64, Height = Panels.Height, Points = IntegerPanels.Group / 8, Groups = Panels.Stretch / IntegerPanels.Group;
    private const int Quads = 8, Fours = Points * Height / 4; // of a group

    // Groups between loading points and using them, and those that there is room for.
    private const int Ahead = 2, Rooms = 4;
    private const int RoomBytes = Points * Height * sizeof(ushort); // of points, and of their indices

    private readonly Assembler c = constants.Code;
    private readonly int highBits = BitOperations.Log2((uint)format.Points.Count) - 8;

    /// <summary>Whether a format's points are such: no more than 4 levels, but for their shift.</summary>
    public static bool Can(PointFormat format) => PointAssembler.FitsLevels(format) && format.Points.Width == 8;

    private static AssemblerRegister64 Book => r10;

    /// <summary>Makes room on the stack; <see cref="Leave"/> gives it back.</summary>
    /// <param name="book">The numbers of each point's levels.</param>
    public void Enter(ReadOnlySpan<ushort> book)
    {
        byte[] bytes = new byte[4 * book.Length + Vector]; // whole vectors, so that constants behind it are aligned
        for (int i = 0; i < book.Length; i++)
            BitConverter.TryWriteBytes(bytes.AsSpan(4 * i + 2), book[i]);
        c.push(rbx);
        c.push(r12);
        c.push(rbp);
        c.mov(rbp, rsp);
        c.and(rsp, -Vector);
        c.sub(rsp, 2 * Rooms * RoomBytes);
        c.lea(Book, __[constants.Data(bytes)]);
    }

    public void Leave()
    {
        c.mov(rsp, rbp);
        c.pop(rbp);
        c.pop(r12);
        c.pop(rbx);
    }

    /// <summary>Begins a unit of 256 columns: its first groups' points are loaded.</summary>
    public void StartUnit(AssemblerRegister64 unit)
    {
        for (int g = 0; g < Ahead; g++)
        {
            JoinIndices(unit, g);
            for (int four = 0; four < Fours; four++)
                Load(unit, g, four);
        }
    }

    /// <summary>Begins a group, whose points are then in registers 27 and 29. Registers 21 and 22 are overwritten.</summary>
    public void StartGroup(AssemblerRegister64 unit, int g)
    {
        c.vmovdqa32(zmm27, PointsOf(g, 0));
        c.vmovdqa32(zmm29, PointsOf(g, Vector));
        if (g + Ahead < Groups)
            JoinIndices(unit, g + Ahead);
    }

    /// <summary>Loads some points of a later group, beside a quad of this one.</summary>
    public void LoadAhead(AssemblerRegister64 unit, int g, int quad)
    {
        for (int four = quad * Fours / Quads; four < (quad + 1) * Fours / Quads && g + Ahead < Groups; four++)
            Load(unit, g + Ahead, four);
    }

    private AssemblerMemoryOperand PointsOf(int g, int at) => __zmmword_ptr[rsp + pushed + g % Rooms * RoomBytes + at];

    private int IndicesAt(int g) => pushed + (Rooms + g % Rooms) * RoomBytes;

    // Indices become words, of a point's 16 rows after the other's.
    private void JoinIndices(AssemblerRegister64 unit, int g)
    {
        // Of shifted points the lower half of the book is enough.
        int mask = (format.SearchedPoints.Count - 256) * 0x0001_0001;
        for (int two = 0; two < Points; two += 2)
        {
            int point = g * Points + two, from = point * highBits % 8;
            byte[] up = new byte[Vector];
            for (int i = 0; i < up.Length; i += 2)
                up[i] = (byte)(8 - from - i / (2 * Height) * highBits);
            c.vbroadcasti32x4(ymm21, __xmmword_ptr[unit + layout.HighAt + point * highBits / 8 * Height]);
            c.vpmovzxbw(zmm21, ymm21);
            c.vpsllvw(zmm21, zmm21, constants.Vector(up));
            c.vpmovzxbw(zmm22, __ymmword_ptr[unit + point * Height]);
            c.vpternlogd(zmm22, zmm21, constants.Constant(mask), 0xF8); // low | (high & mask)
            c.vmovdqa32(__zmmword_ptr[rsp + IndicesAt(g) + two * Height * sizeof(ushort)], zmm22);
        }
    }

    // Two neighbouring points of two rows.
    private void Load(AssemblerRegister64 unit, int g, int four)
    {
        int point = four / (Height / 2) * 2, row = four % (Height / 2) * 2;
        int indices = IndicesAt(g) + (point * Height + row) * sizeof(ushort);
        c.mov(eax, __dword_ptr[rsp + indices]);
        c.mov(ebx, __dword_ptr[rsp + indices + Height * sizeof(ushort)]);
        c.movzx(r11d, ax);
        c.movzx(r12d, bx);
        c.shr(eax, 16);
        c.shr(ebx, 16);
        c.mov(r11d, __dword_ptr[Book + r11 * 4 + 2]);
        c.or(r11d, __dword_ptr[Book + r12 * 4]);
        c.mov(eax, __dword_ptr[Book + rax * 4 + 2]);
        c.or(eax, __dword_ptr[Book + rbx * 4]);
        c.shl(rax, 32);
        c.or(rax, r11);
        c.mov(__qword_ptr[rsp + pushed + g % Rooms * RoomBytes + four * sizeof(ulong)], rax);
    }
}
