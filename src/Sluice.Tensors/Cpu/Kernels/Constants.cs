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

    static abstract bool HasWideScale { get; }
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
    public readonly struct Of<TParts, THasMin, TIsNarrow, THasWideScale> : IKind
        where TParts : struct, ITokens
        where THasMin : struct, IFlag
        where TIsNarrow : struct, IFlag
        where THasWideScale : struct, IFlag
    {
        public static int Parts => TParts.Count;

        public static bool HasMin => THasMin.Value;

        public static bool IsNarrow => TIsNarrow.Value;

        public static bool HasWideScale => THasWideScale.Value;
    }

    /// <summary>A number from 0 to 15 for each kind that differs in more than its offset.</summary>
    public static int Index(in IntegerKind kind, bool flag) =>
        (kind.HasWideScale ? 8 : 0) + (kind.Parts == 2 ? 4 : 0) + (kind.HasMin ? 2 : 0) + (flag ? 1 : 0);
}

/// <summary>Yes or no, as the compiler knows it.</summary>
internal interface IFlag
{
    static abstract bool Value { get; }
}

internal readonly struct Yes : IFlag
{
    public static bool Value => true;
}

internal readonly struct No : IFlag
{
    public static bool Value => false;
}
