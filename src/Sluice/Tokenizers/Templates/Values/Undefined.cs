namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// What a name or element that is not there gives: false, empty and without elements, but an error as soon as anything more is
/// asked of it.
/// </summary>
/// <param name="reason">The error.</param>
internal sealed class Undefined(string reason) : TemplateObject
{
    public override string TypeName => "Undefined";

    public override long? Length => 0;

    public override IEnumerable<object?>? Elements => [];

    public override void WriteRepr(ValueWriter writer) => writer.Write("Undefined");

    public TemplateException Failure() => new(reason);
}
