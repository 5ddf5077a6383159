namespace Sluice.Extensions.AI;

/// <summary>What requests call the model; with one of its adapters, they call it by that.</summary>
internal sealed class ModelName(Engine engine, SluiceOptions options)
{
    /// <summary>The model's own.</summary>
    public string Value { get; } = options.ModelId ?? engine.Runner.File.Name;

    /// <summary>The adapter that a request means; null for the model without.</summary>
    /// <param name="id">What it asks for; null for nothing in particular.</param>
    /// <param name="otherwise">The adapter where it asks for nothing in particular.</param>
    /// <exception cref="ArgumentException">There is no such model.</exception>
    public string? Adapter(string? id, string? otherwise)
    {
        if (id is null)
            return otherwise;
        if (id == Value)
            return null;
        return engine.Adapters.Any(adapter => adapter.Name == id) ? id
            : throw new ArgumentException($"There is no model '{id}' here but '{Value}'.", nameof(id));
    }
}
