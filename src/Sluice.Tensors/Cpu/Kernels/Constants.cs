namespace Sluice.Tensors.Cpu;

/// <summary>A number of tokens that the compiler knows.</summary>
internal interface ITokens
{
    static abstract int Count { get; }
}

/// <summary>An <see cref="IntegerKind"/> that the compiler knows.</summary>
internal interface IKind
{
    static abstract int Parts { get; }

    static abstract bool HasMin { get; }

    static abstract bool IsNarrow { get; }
}

internal static class Tokens
{
    public readonly struct One : ITokens
    {
        public static int Count => 1;
    }

    public readonly struct Two : ITokens
    {
        public static int Count => 2;
    }

    public readonly struct Three : ITokens
    {
        public static int Count => 3;
    }

    public readonly struct Four : ITokens
    {
        public static int Count => 4;
    }

    public readonly struct Five : ITokens
    {
        public static int Count => 5;
    }

    public readonly struct Six : ITokens
    {
        public static int Count => 6;
    }

    public readonly struct Seven : ITokens
    {
        public static int Count => 7;
    }

    public readonly struct Eight : ITokens
    {
        public static int Count => 8;
    }
}

internal static class Kinds
{
    public readonly struct Whole : IKind
    {
        public static int Parts => 1;

        public static bool HasMin => false;

        public static bool IsNarrow => false;
    }

    public readonly struct WholeNarrow : IKind
    {
        public static int Parts => 1;

        public static bool HasMin => false;

        public static bool IsNarrow => true;
    }

    public readonly struct WholeMin : IKind
    {
        public static int Parts => 1;

        public static bool HasMin => true;

        public static bool IsNarrow => false;
    }

    public readonly struct WholeMinNarrow : IKind
    {
        public static int Parts => 1;

        public static bool HasMin => true;

        public static bool IsNarrow => true;
    }

    public readonly struct Halves : IKind
    {
        public static int Parts => 2;

        public static bool HasMin => false;

        public static bool IsNarrow => false;
    }

    public readonly struct HalvesNarrow : IKind
    {
        public static int Parts => 2;

        public static bool HasMin => false;

        public static bool IsNarrow => true;
    }

    public readonly struct HalvesMin : IKind
    {
        public static int Parts => 2;

        public static bool HasMin => true;

        public static bool IsNarrow => false;
    }

    public readonly struct HalvesMinNarrow : IKind
    {
        public static int Parts => 2;

        public static bool HasMin => true;

        public static bool IsNarrow => true;
    }
}
