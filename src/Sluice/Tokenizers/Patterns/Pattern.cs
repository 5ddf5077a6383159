using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.Patterns;

/// <summary>
/// A regular expression over UTF-8 text: a backtracking matcher with a stack of its own, so that neither a long text nor a
/// hostile pattern overflows the thread's. .NET's own regular expressions see UTF-16, where a character beyond the basic plane is
/// two of no category, which is not what tokenizers' patterns mean.
/// </summary>
internal sealed class Pattern
{
    private readonly string _text;
    private readonly Instruction[] _program;
    private readonly UInt128 _first;

    /// <exception cref="NotSupportedException">It uses what <see cref="PatternParser"/> does not know.</exception>
    public Pattern(string pattern)
    {
        _text = pattern;
        (_program, _first) = new PatternParser(pattern).Parse();
    }

    /// <summary>Where a match that begins at <paramref name="start"/> ends, or -1.</summary>
    /// <exception cref="InvalidDataException">The pattern takes more steps than any useful one.</exception>
    public int Match(ReadOnlySpan<byte> text, int start)
    {
        if (!CanBegin(text, start))
            return -1;
        long budget = 100_000 + (50L * (text.Length - start));
        Stack stack = new(stackalloc Frame[32]);
        return Run(text, 0, start, ref stack, ref budget);
    }

    /// <summary>The first place at or after <paramref name="start"/> where a match that is not empty begins; its end.</summary>
    /// <returns>The text's length if there is none.</returns>
    public int Find(ReadOnlySpan<byte> text, int start, out int end)
    {
        while (start < text.Length)
        {
            end = Match(text, start);
            if (end > start)
                return start;
            start = AfterFailure(text, start);
        }
        end = start;
        return start;
    }

    // A pattern that begins by looping over a set: where the loop from one place failed, it fails from every other place that it
    // went over, having fewer ways to go on. Without this, \s+$ is quadratic in a run of spaces.
    private int AfterFailure(ReadOnlySpan<byte> text, int start)
    {
        if (_program[0] is { Opcode: Opcode.Loop, Second: int.MaxValue } loop)
        {
            int end = start;
            while (end < text.Length && loop.Set!.Matches(text, end, out int step))
                end += step;
            if (end > start)
                return end;
        }
        Utf8Char.CodePointAt(text, start, out int length);
        return start + length;
    }

    private bool CanBegin(ReadOnlySpan<byte> text, int start) =>
        start >= text.Length || text[start] >= 0x80 || (_first >> text[start] & 1) != 0;

    private int Run(ReadOnlySpan<byte> text, int next, int position, ref Stack stack, ref long budget)
    {
        int bottom = stack.Count;
        while (true)
        {
            if (--budget < 0)
                throw new InvalidDataException($"The pre-tokenizer's pattern takes too many steps: {_text}");
            ref readonly Instruction instruction = ref _program[next];
            bool failed = false;
            switch (instruction.Opcode)
            {
                case Opcode.Match:
                    stack.Count = bottom;
                    return position;
                case Opcode.Set:
                    failed = position >= text.Length || !instruction.Set!.Matches(text, position, out int length)
                        || Advance(ref position, length);
                    next++;
                    break;
                case Opcode.Loop:
                    failed = !Loop(text, instruction, next, ref position, ref stack, ref budget);
                    next++;
                    break;
                case Opcode.Jump:
                    next = instruction.First;
                    break;
                case Opcode.Split:
                    if (position < text.Length && text[position] < 0x80 && (instruction.FirstAscii >> text[position] & 1) == 0)
                    {
                        next = instruction.Second;
                        break;
                    }
                    stack.Push(new(instruction.Second, position, -1));
                    next = instruction.First;
                    break;
                case Opcode.Ahead:
                    failed = Run(text, next + 1, position, ref stack, ref budget) >= 0 == instruction.Flag;
                    next = instruction.First;
                    break;
                case Opcode.Atomic:
                    int end = Run(text, next + 1, position, ref stack, ref budget);
                    failed = end < 0;
                    position = end;
                    next = instruction.First;
                    break;
                case Opcode.LineStart:
                    failed = position > 0 && text[position - 1] != '\n';
                    next++;
                    break;
                case Opcode.LineEnd:
                    failed = position < text.Length && text[position] != '\n';
                    next++;
                    break;
                default:
                    failed = IsWordEdge(text, position) == instruction.Flag;
                    next++;
                    break;
            }
            if (!failed)
                continue;
            if (stack.Count == bottom)
                return -1;
            ref Frame frame = ref stack.Top;
            next = frame.Next;
            if (frame.Least >= 0)
            {
                // A loop gives one character back.
                frame.Position = Utf8Char.Before(text, frame.Position);
                position = frame.Position;
                if (position == frame.Least)
                    stack.Count--;
            }
            else
            {
                position = frame.Position;
                stack.Count--;
            }
        }
    }

    private static bool Advance(ref int position, int length)
    {
        position += length;
        return false;
    }

    private static bool Loop(
        ReadOnlySpan<byte> text, in Instruction loop, int next, ref int position, ref Stack stack, ref long budget)
    {
        int count = 0;
        int least = loop.First == 0 ? position : -1;
        while (count < loop.Second && position < text.Length && loop.Set!.Matches(text, position, out int length))
        {
            position += length;
            if (++count == loop.First)
                least = position;
        }
        budget -= count;
        if (count < loop.First)
            return false;
        if (position > least && !loop.Flag)
            stack.Push(new(next + 1, position, least));
        return true;
    }

    private static bool IsWordEdge(ReadOnlySpan<byte> text, int position)
    {
        bool before = position > 0 && IsWord(text, Utf8Char.Before(text, position));
        return before != (position < text.Length && IsWord(text, position));

        static bool IsWord(ReadOnlySpan<byte> text, int position) => text[position] == '_'
            || (Utf8Char.KindsAt(text, position, out _) & (CharKinds.Letter | CharKinds.Mark | CharKinds.Digit)) != 0;
    }

    /// <summary>
    /// Where to go on if what follows fails: at Next from Position; of a loop (Least is not negative) with one character fewer,
    /// down to Least.
    /// </summary>
    private record struct Frame(int Next, int Position, int Least);

    private ref struct Stack(Span<Frame> frames)
    {
        private Span<Frame> _frames = frames;

        public int Count;

        public readonly ref Frame Top => ref _frames[Count - 1];

        public void Push(Frame frame)
        {
            if (Count == _frames.Length)
            {
                Span<Frame> larger = new Frame[Count * 2];
                _frames.CopyTo(larger);
                _frames = larger;
            }
            _frames[Count++] = frame;
        }
    }
}
