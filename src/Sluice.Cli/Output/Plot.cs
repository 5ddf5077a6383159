using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Sluice.Cli.Output;

/// <summary>A curve.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="Points">Its points, in order.</param>
internal sealed record PlotCurve(string Name, IEnumerable<(double X, double Y)> Points);

/// <summary>What an axis shows.</summary>
/// <param name="Title">With its unit.</param>
/// <param name="IsLogarithmic">Whether equal ratios, rather than differences, are equally long.</param>
internal readonly record struct PlotAxis(string Title, bool IsLogarithmic = false);

/// <summary>Draws curves into SVG files, which needs no native library as pictures of pixels would.</summary>
internal static class Plot
{
    private const double Width = 900, Height = 500;

    /// <summary>Refuses a path that is not for SVG or leads nowhere: before what is to be drawn was measured for hours.</summary>
    /// <exception cref="FormatException">It is such a path.</exception>
    public static string CheckPath(string path) =>
        Path.GetExtension(path).Equals(".svg", StringComparison.OrdinalIgnoreCase) && Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path)))
            ? path : throw new FormatException("a path that ends in .svg, in a folder that there is");

    /// <summary>Writes a plot.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, string title, PlotAxis x, PlotAxis y, IEnumerable<PlotCurve> curves)
    {
        PlotModel plot = new() { Title = title, DefaultFont = "Arial", TitleFontSize = 16, Background = OxyColors.White };
        plot.Axes.Add(Axis(x, AxisPosition.Bottom));
        plot.Axes.Add(Axis(y, AxisPosition.Left));
        plot.Legends.Add(new Legend
        {
            LegendPosition = LegendPosition.TopCenter,
            LegendPlacement = LegendPlacement.Outside,
            LegendOrientation = LegendOrientation.Horizontal,
        });
        foreach (PlotCurve curve in curves)
        {
            LineSeries series = new() { Title = curve.Name, StrokeThickness = 2 };
            series.Points.AddRange(curve.Points.Select(point => new DataPoint(point.X, point.Y)));
            if (series.Points.Count == 1)
                (series.MarkerType, series.MarkerSize) = (MarkerType.Circle, 6); // a line of one point is invisible
            plot.Series.Add(series);
        }
        using FileStream stream = File.Create(path);
        new SvgExporter { Width = Width, Height = Height }.Export(plot, stream);
    }

    private static Axis Axis(PlotAxis axis, AxisPosition position)
    {
        Axis made = axis.IsLogarithmic ? new LogarithmicAxis() : new LinearAxis();
        (made.Title, made.Position, made.MajorGridlineStyle, made.MajorGridlineColor) = (axis.Title, position, LineStyle.Solid, OxyColors.LightGray);
        return made;
    }
}
