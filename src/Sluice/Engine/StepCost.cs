namespace Sluice;

/// <summary>
/// What a step costs: so much at least, so much for each sequence that decodes, and so much for each token of a prompt. Fitted to
/// measured steps by least squares, older ones counting less, and with no cost below zero.
/// </summary>
/// <remarks>One token a sequence mostly waits for the weights, which all share; tokens of prompts mostly compute.</remarks>
internal sealed class StepCost
{
    private const int Terms = 3;
    private const double Memory = 0.98; // a step counts e times less after some 50
    private readonly double[,] _products = new double[Terms, Terms]; // weighted sums of products of two terms
    private readonly double[] _sums = new double[Terms]; // and of a term and the time
    private readonly double[] _cost = new double[Terms];
    private readonly double[] _trial = new double[Terms];
    private readonly double[,] _system = new double[Terms, Terms + 1];

    /// <summary>Seconds of a step, whatever is in it.</summary>
    public double Fixed => _cost[0];

    /// <summary>Seconds more for each sequence that decodes.</summary>
    public double PerDecode => _cost[1];

    /// <summary>Seconds more for each token of a prompt.</summary>
    public double PerPrompt => _cost[2];

    /// <summary>The seconds that a step would take.</summary>
    public double Seconds(int decoding, int promptTokens) => Fixed + (PerDecode * decoding) + (PerPrompt * promptTokens);

    /// <summary>Learns from a step.</summary>
    /// <param name="decoding">The sequences that decoded.</param>
    /// <param name="promptTokens">The tokens of prompts.</param>
    /// <param name="seconds">What it took.</param>
    public void Observe(int decoding, int promptTokens, double seconds)
    {
        ReadOnlySpan<double> terms = [1, decoding, promptTokens];
        for (int i = 0; i < Terms; i++)
        {
            for (int j = 0; j < Terms; j++)
                _products[i, j] = (_products[i, j] * Memory) + (terms[i] * terms[j]);
            _sums[i] = (_sums[i] * Memory) + (terms[i] * seconds);
        }
        Fit();
    }

    /// <summary>
    /// The best costs of which none is negative: of the best ones for every choice of terms that may cost anything, those that
    /// explain most. Terms that the steps so far cannot tell apart are not chosen together; then the fixed cost has it.
    /// </summary>
    private void Fit()
    {
        double best = double.PositiveInfinity;
        foreach (int chosen in (ReadOnlySpan<int>)[0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111])
        {
            if (!TrySolve(chosen))
                continue;
            // The sum of squared errors, but for the constant sum of squared times.
            double error = 0;
            for (int i = 0; i < Terms; i++)
            {
                error -= 2 * _sums[i] * _trial[i];
                for (int j = 0; j < Terms; j++)
                    error += _trial[i] * _products[i, j] * _trial[j];
            }
            if (error >= best - (1e-9 * Math.Abs(best)) && best < double.PositiveInfinity)
                continue;
            best = error;
            _trial.CopyTo(_cost, 0);
        }
    }

    /// <summary>Solves the normal equations of the chosen terms by elimination.</summary>
    /// <returns>Whether there is one solution, with no cost below zero.</returns>
    private bool TrySolve(int chosen)
    {
        for (int i = 0; i < Terms; i++)
        {
            bool isChosen = (chosen >> i & 1) != 0;
            for (int j = 0; j < Terms; j++)
                _system[i, j] = isChosen && (chosen >> j & 1) != 0 ? _products[i, j] : i == j ? 1 : 0;
            _system[i, Terms] = isChosen ? _sums[i] : 0;
        }
        for (int i = 0; i < Terms; i++)
        {
            // The matrix is positive semidefinite, so the diagonal will do for a pivot; what is left of it tells whether the
            // term is one of its own.
            if (_system[i, i] <= 1e-6 * ((chosen >> i & 1) != 0 ? _products[i, i] : 1) || _system[i, i] == 0)
                return false;
            for (int row = i + 1; row < Terms; row++)
            {
                double factor = _system[row, i] / _system[i, i];
                for (int j = i; j <= Terms; j++)
                    _system[row, j] -= factor * _system[i, j];
            }
        }
        for (int i = Terms - 1; i >= 0; i--)
        {
            double value = _system[i, Terms];
            for (int j = i + 1; j < Terms; j++)
                value -= _system[i, j] * _trial[j];
            _trial[i] = value / _system[i, i];
            if (_trial[i] < 0)
                return false;
        }
        return true;
    }
}
