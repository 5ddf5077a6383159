namespace Sluice.Grammars.Syntax;

/// <summary>A named expression that others may call, itself included.</summary>
internal sealed class Rule(string name)
{
    public string Name => name;

    public Expression Body { get; set; } = Expression.Nothing;

    /// <summary>Whether the empty text matches.</summary>
    public bool IsNullable { get; set; }

    /// <summary>Whether any text matches.</summary>
    public bool IsPossible { get; set; }

    /// <summary>Finds all rules that a rule needs, and what is true of each.</summary>
    public static void Settle(Rule root)
    {
        List<Rule> rules = [root];
        Dictionary<Rule, List<Rule>> callers = new() { [root] = [] };
        for (int i = 0; i < rules.Count; i++)
        {
            Stack<Expression> open = new([rules[i].Body]);
            while (open.TryPop(out Expression? expression))
            {
                if (expression is Call { Rule: var called })
                {
                    if (!callers.TryGetValue(called, out List<Rule>? others))
                    {
                        callers.Add(called, others = []);
                        rules.Add(called);
                    }
                    others.Add(rules[i]);
                }
                foreach (Expression part in expression.Parts)
                    open.Push(part);
            }
        }
        // From "of no rule" to the least set for which it holds: what becomes true of a rule may become true of its callers.
        Stack<Rule> changed = new(rules);
        while (changed.TryPop(out Rule? rule))
        {
            (bool nullable, bool possible) = (rule.IsNullable, rule.IsPossible);
            rule.IsNullable |= rule.Body.IsNullable;
            rule.IsPossible |= rule.Body.IsPossible;
            if ((nullable, possible) == (rule.IsNullable, rule.IsPossible))
                continue;
            foreach (Rule caller in callers[rule])
                changed.Push(caller);
        }
    }
}
