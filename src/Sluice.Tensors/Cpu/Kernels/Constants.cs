namespace Sluice.Tensors.Cpu;

/// <summary>A number, as of tokens, that the compiler knows.</summary>
internal interface INumber
{
    static abstract int Value { get; }
}

/// <summary>An <see cref="IntegerKind"/> that the compiler knows.</summary>
internal interface IKind
{
    static abstract int Parts { get; }

    static abstract bool HasMin { get; }

    static abstract bool HasWideScale { get; }
}

internal static class Numbers
{
    public readonly struct One : INumber
    {
        public static int Value => 1;
    }

    public readonly struct Two : INumber
    {
        public static int Value => 2;
    }

    public readonly struct Three : INumber
    {
        public static int Value => 3;
    }

    public readonly struct Four : INumber
    {
        public static int Value => 4;
    }

    public readonly struct Five : INumber
    {
        public static int Value => 5;
    }

    public readonly struct Six : INumber
    {
        public static int Value => 6;
    }

    public readonly struct Seven : INumber
    {
        public static int Value => 7;
    }

    public readonly struct Eight : INumber
    {
        public static int Value => 8;
    }
}

internal static class Kinds
{
    public readonly struct Of<TParts, THasMin, THasWideScale> : IKind
        where TParts : struct, INumber
        where THasMin : struct, IFlag
        where THasWideScale : struct, IFlag
    {
        public static int Parts => TParts.Value;

        public static bool HasMin => THasMin.Value;

        public static bool HasWideScale => THasWideScale.Value;
    }

    /// <summary>A number from 0 to 7 for each kind that differs in more than its offset and its bits.</summary>
    public static int Index(in IntegerKind kind) => (kind.HasWideScale ? 4 : 0) + (kind.Parts == 2 ? 2 : 0) + (kind.HasMin ? 1 : 0);
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
