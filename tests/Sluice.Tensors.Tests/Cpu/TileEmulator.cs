using System.Runtime.InteropServices;
using Iced.Intel;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Executes the machine code of <see cref="KernelAssembler.IntegerTiles"/>, as Intel's manual defines each instruction, on a processor that may
/// not have them: from the bytes, through a disassembler. An instruction or operand that it does not know ends the test.
/// </summary>
internal sealed unsafe class TileEmulator
{
    private readonly ulong[] _integers = new ulong[16];
    private readonly byte[][] _vectors = [.. Enumerable.Range(0, 32).Select(_ => new byte[64])];
    private readonly byte[][] _tiles = [.. Enumerable.Range(0, 8).Select(_ => new byte[1024])]; // rows of 64 bytes
    private readonly (int Rows, int Bytes)[] _shapes = new (int, int)[8];
    private readonly ulong[] _stack = new ulong[16];
    private int _depth;
    private bool _isZero; // the flag

    /// <summary>The tile products executed.</summary>
    public int Products { get; private set; }

    public void Call(nint code, nint argument)
    {
        _integers[Register.RDI - Register.RAX] = (ulong)argument;
        Decoder decoder = Decoder.Create(64, new Memory((byte*)code));
        decoder.IP = (ulong)code;
        while (true)
        {
            Instruction instruction = decoder.Decode();
            ulong? target = Execute(instruction);
            if (target is null)
                return;
            if (target != instruction.NextIP)
            {
                decoder = Decoder.Create(64, new Memory((byte*)target.Value));
                decoder.IP = target.Value;
            }
        }
    }

    /// <returns>Where it goes on; null after a return.</returns>
    private ulong? Execute(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Ret:
                Assert.Equal(0, _depth);
                Assert.All(_shapes, shape => Assert.Equal((0, 0), shape)); // released
                return null;
            case Mnemonic.Jne:
                return _isZero ? i.NextIP : i.NearBranchTarget;
            case Mnemonic.Push:
                _stack[_depth++] = Integer(i.Op0Register);
                break;
            case Mnemonic.Pop:
                Integer(i.Op0Register) = _stack[--_depth];
                break;
            case Mnemonic.Mov:
                Integer(i.Op0Register) = i.Op1Kind switch
                {
                    OpKind.Register => Integer(i.Op1Register),
                    OpKind.Memory => *(ulong*)Address(i),
                    _ => i.GetImmediate(1),
                };
                break;
            case Mnemonic.Add or Mnemonic.Sub:
                ulong by = i.GetImmediate(1);
                Count(ref Integer(i.Op0Register), i.Mnemonic == Mnemonic.Add ? by : 0 - by);
                break;
            case Mnemonic.Dec:
                Count(ref Integer(i.Op0Register), ulong.MaxValue);
                break;
            case Mnemonic.Ldtilecfg:
                Configure((byte*)Address(i));
                break;
            case Mnemonic.Tilerelease:
                _shapes.AsSpan().Clear();
                break;
            case Mnemonic.Tilezero:
                Tile(i.Op0Register).AsSpan().Clear();
                break;
            case Mnemonic.Tileloadd or Mnemonic.Tilestored:
                Move(i);
                break;
            case Mnemonic.Tdpbsud:
                Multiply(Tile(i.Op0Register), Shape(i.Op0Register), Tile(i.Op1Register), Shape(i.Op1Register), Tile(i.Op2Register), Shape(i.Op2Register));
                break;
            case Mnemonic.Vzeroupper:
                break;
            default:
                Vectors(i);
                break;
        }
        return i.NextIP;
    }

    private void Count(ref ulong register, ulong by)
    {
        register += by;
        _isZero = register == 0;
    }

    private void Configure(byte* given)
    {
        Assert.Equal(1, given[0]);
        Assert.Equal(0, (nint)given % 64);
        for (int t = 0; t < 8; t++)
        {
            _shapes[t] = (given[48 + t], *(ushort*)(given + 16 + 2 * t));
            Assert.True(_shapes[t] is { Rows: <= 16, Bytes: <= 64 });
        }
    }

    private void Move(in Instruction i)
    {
        bool isLoad = i.Mnemonic == Mnemonic.Tileloadd;
        Register register = isLoad ? i.Op0Register : i.Op1Register;
        (int rows, int bytes) = Shape(register);
        byte[] tile = Tile(register);
        // The index is no part of the address: it is the distance of rows.
        ulong stride = Integer(i.MemoryIndex) * (ulong)i.MemoryIndexScale, start = Integer(i.MemoryBase) + i.MemoryDisplacement64;
        if (isLoad)
            tile.AsSpan().Clear();
        for (int row = 0; row < rows; row++)
        {
            Span<byte> memory = new((byte*)(start + (ulong)row * stride), bytes), own = tile.AsSpan(row * 64, bytes);
            if (isLoad)
                memory.CopyTo(own);
            else
                own.CopyTo(memory);
        }
    }

    private void Multiply(byte[] sums, (int Rows, int Bytes) c, byte[] signed, (int Rows, int Bytes) a, byte[] codes, (int Rows, int Bytes) b)
    {
        Assert.Equal((c.Rows, c.Bytes, a.Bytes), (a.Rows, b.Bytes, b.Rows * 4));
        Products++;
        Span<int> totals = MemoryMarshal.Cast<byte, int>(sums.AsSpan());
        for (int m = 0; m < c.Rows; m++)
        {
            for (int k = 0; k < a.Bytes; k++)
            {
                for (int n = 0; n < c.Bytes / 4; n++)
                    totals[m * 16 + n] += (sbyte)signed[m * 64 + k] * codes[k / 4 * 64 + n * 4 + k % 4];
            }
        }
    }

    private void Vectors(in Instruction i)
    {
        bool isStore = i.Op0Kind == OpKind.Memory;
        if (isStore)
        {
            Assert.Equal(Mnemonic.Vmovups, i.Mnemonic);
            Vector(i.Op1Register).CopyTo(new Span<byte>((byte*)Address(i), 64));
            return;
        }
        byte[] result = Vector(i.Op0Register), last = new byte[64];
        if (i.Mnemonic is Mnemonic.Vpbroadcastd or Mnemonic.Vbroadcastss)
        {
            // As the kernel's own constant from a general register, or from memory.
            int value = i.Op1Kind == OpKind.Register ? (int)Integer(i.Op1Register.GetFullRegister()) : *(int*)Address(i);
            MemoryMarshal.Cast<byte, int>(result.AsSpan()).Fill(value);
            return;
        }
        OpKind kind = i.GetOpKind(i.OpCount - 1);
        if (kind == OpKind.Memory)
            new Span<byte>((byte*)Address(i), 64).CopyTo(last);
        else
            Vector(i.GetOpRegister(i.OpCount - 1)).CopyTo(last.AsSpan());
        if (i.Mnemonic == Mnemonic.Vmovups)
        {
            last.CopyTo(result.AsSpan());
            return;
        }
        byte[] middle = Vector(i.Op1Register);
        for (int lane = 0; lane < 64; lane += 4)
        {
            (int x, int y, int z) = (BitConverter.ToInt32(result, lane), BitConverter.ToInt32(middle, lane), BitConverter.ToInt32(last, lane));
            (float a, float b, float c) = (BitConverter.Int32BitsToSingle(x), BitConverter.Int32BitsToSingle(y), BitConverter.Int32BitsToSingle(z));
            int value = i.Mnemonic switch
            {
                Mnemonic.Vpxord => y ^ z,
                Mnemonic.Vpaddd => y + z,
                Mnemonic.Vsubps => BitConverter.SingleToInt32Bits(b - c),
                Mnemonic.Vmulps => BitConverter.SingleToInt32Bits(b * c),
                Mnemonic.Vfmadd213ps => BitConverter.SingleToInt32Bits(MathF.FusedMultiplyAdd(b, a, c)),
                _ => throw new NotSupportedException(i.ToString()),
            };
            BitConverter.TryWriteBytes(result.AsSpan(lane), value);
        }
    }

    private ulong Address(in Instruction i)
    {
        Assert.Equal(Register.None, i.MemoryIndex);
        return i.IsIPRelativeMemoryOperand ? i.IPRelativeMemoryAddress : Integer(i.MemoryBase) + i.MemoryDisplacement64;
    }

    private ref ulong Integer(Register register) => ref _integers[register.GetFullRegister() - Register.RAX];

    private byte[] Vector(Register register) => _vectors[register - Register.ZMM0];

    private byte[] Tile(Register register) => _tiles[register - Register.TMM0];

    private (int Rows, int Bytes) Shape(Register register) => _shapes[register - Register.TMM0];

    private sealed class Memory(byte* at) : CodeReader
    {
        private byte* _at = at;

        public override int ReadByte() => *_at++;
    }
}
