using System.Globalization;

namespace Sluice.Tensors.Cpu;

/// <summary>The processor that this process may use.</summary>
public static class Processor
{
    /// <summary>
    /// Physical cores: hardware threads that share a core's vector units do not add arithmetic. Where the system does not say,
    /// the processors that this process may use.
    /// </summary>
    public static int PhysicalCores { get; } = Math.Clamp(CountCores(), 1, Environment.ProcessorCount);

    private static int CountCores()
    {
        if (!OperatingSystem.IsLinux())
            return Environment.ProcessorCount;
        HashSet<string> cores = [];
        try
        {
            foreach (string folder in Directory.EnumerateDirectories("/sys/devices/system/cpu", "cpu*"))
            {
                string siblings = Path.Combine(folder, "topology", "thread_siblings_list");
                if (int.TryParse(Path.GetFileName(folder)[3..], CultureInfo.InvariantCulture, out _) && File.Exists(siblings))
                    cores.Add(File.ReadAllText(siblings));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Environment.ProcessorCount;
        }
        return cores.Count == 0 ? Environment.ProcessorCount : cores.Count;
    }
}
