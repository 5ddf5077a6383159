using System.Globalization;
using Sluice.TrainStarter;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
try
{
    return Commands.Run(args);
}
catch (Exception e) when (e is IOException or ArgumentException or NotSupportedException or FormatException)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}
