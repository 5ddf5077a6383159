using System.Numerics;
using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// A value as a dictionary's key, equal as in Python: 1, 1.0 and True are one key. Lists and dictionaries cannot be keys.
/// </summary>
internal readonly struct DictKey : IEquatable<DictKey>
{
    private readonly int _hash;

    private DictKey(object? value, int hash) => (Value, _hash) = (value, hash);

    public object? Value { get; }

    public static DictKey Of(string value) => new(value, value.GetHashCode());

    /// <exception cref="TemplateException">The value cannot be a key.</exception>
    public static DictKey Of(object? value, Budget budget) => TryOf(value, budget, out DictKey key)
        ? key
        : throw new TemplateException($"unhashable type: '{TemplateValue.TypeName(value)}'");

    public static bool TryOf(object? value, Budget budget, out DictKey key)
    {
        bool can = TryHash(value, budget, out int hash);
        key = new DictKey(value, hash);
        return can;
    }

    public bool Equals(DictKey other) => _hash == other._hash && Equality.AreEqual(Value, other.Value, budget: null);

    public override bool Equals(object? obj) => obj is DictKey other && Equals(other);

    public override int GetHashCode() => _hash;

    private static bool TryHash(object? value, Budget budget, out int hash)
    {
        hash = 0;
        switch (value)
        {
            case null or Undefined:
                return true;
            case string text:
                budget.ChargeText(text.Length);
                hash = text.GetHashCode();
                return true;
            case Markup markup:
                return TryHash(markup.Text, budget, out hash);
            case bool truth:
                hash = HashCode.Combine(truth ? 1L : 0L);
                return true;
            case long number:
                hash = HashCode.Combine(number);
                return true;
            case double number when Number.TryWhole(number, out BigInteger whole):
                return TryHash(Syntax.Token.Integer(whole), budget, out hash);
            case TupleValue tuple:
                budget.Enter();
                HashCode all = new();
                foreach (object? item in tuple.Items)
                {
                    if (!TryHash(item, budget, out int one))
                        return false;
                    all.Add(one);
                }
                budget.Leave();
                hash = all.ToHashCode();
                return true;
            case ListValue or DictValue or DictView or Slice:
                return false;
            default:
                hash = value.GetHashCode();
                return true;
        }
    }
}
