namespace Sluice.Compression;

/// <summary>Finds the smallest model of a frontier that loses no more than a limit, when losses are measured rather than added up.</summary>
internal static class DivergenceSearch
{
    private const int MostMeasurements = 10;
    private const double Close = 0.003; // of the size

    /// <summary>The point.</summary>
    /// <param name="frontier">Whose losses are about proportional to the measured ones, and fall as sizes grow.</param>
    /// <param name="most">The limit.</param>
    /// <param name="measure">Measures the loss of a point's model.</param>
    /// <exception cref="ArgumentException">Even the largest model loses more.</exception>
    public static int Smallest(Frontier frontier, double most, Func<int, double> measure)
    {
        int bad = -1, good = frontier.Points.Count, point = frontier.WithLoss(most);
        for (int measured = 0; bad < good - 1; measured++)
        {
            bool isKnown = good < frontier.Points.Count;
            if (isKnown && (measured >= MostMeasurements || (bad >= 0 && frontier.Points[good].Bytes - frontier.Points[bad].Bytes <= Close * frontier.Points[good].Bytes)))
                break;
            double loss = measure(point);
            if (loss <= most)
                good = point;
            else
                bad = point;
            if (bad == frontier.Points.Count - 1)
            {
                throw new ArgumentException(FormattableString.Invariant(
                    $"No model of these types diverges by no more than {most:0.######} nats: the best comes to {loss:0.######}."));
            }
            // Where the measured loss would be the limit if it stayed in proportion; halfway if that is known already.
            point = frontier.WithLoss(frontier.Points[point].Loss * most / loss);
            if (point <= bad || point >= good)
                point = good == frontier.Points.Count && measured > 1 ? good - 1 : (bad + good) / 2;
        }
        return good;
    }
}
