namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>What a function is called with.</summary>
internal sealed class CallArguments(object?[] positional, (string Name, object? Value)[] named)
{
    /// <summary>The default of a parameter that has none.</summary>
    public static object Required { get; } = new();

    public static CallArguments None { get; } = new([], []);

    public object?[] Positional { get; } = positional;

    public (string Name, object? Value)[] Named { get; } = named;

    /// <summary>The values of some parameters; one without a name cannot be given by name.</summary>
    /// <exception cref="TemplateException">One is missing, or there is one too many.</exception>
    public object?[] Bind(string function, params ReadOnlySpan<(string Name, object? Default)> parameters)
    {
        if (Positional.Length > parameters.Length)
            throw new TemplateException($"{function}() takes at most {parameters.Length} arguments ({Positional.Length} given)");
        object?[] values = new object?[parameters.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = i < Positional.Length ? Positional[i] : parameters[i].Default;
        foreach ((string name, object? value) in Named)
        {
            int index = 0;
            while (index < parameters.Length && parameters[index].Name != name)
                index++;
            if (index == parameters.Length)
                throw new TemplateException($"{function}() got an unexpected keyword argument '{name}'");
            if (index < Positional.Length)
                throw new TemplateException($"{function}() got multiple values for argument '{name}'");
            values[index] = value;
        }
        int missing = Array.IndexOf(values, Required);
        return missing < 0
            ? values
            : throw new TemplateException($"{function}() misses its {missing + 1}. argument");
    }

    /// <summary>A named argument that a function takes beside any number of others.</summary>
    public bool TryTake(string name, out object? value, out CallArguments rest)
    {
        int index = Array.FindIndex(Named, argument => argument.Name == name);
        value = index < 0 ? null : Named[index].Value;
        rest = index < 0 ? this : new CallArguments(Positional, [.. Named[..index], .. Named[(index + 1)..]]);
        return index >= 0;
    }

    /// <summary>The positional arguments but for the first.</summary>
    public CallArguments Skip(int count) => new(Positional[count..], Named);
}
