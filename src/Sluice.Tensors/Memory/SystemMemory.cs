namespace Sluice.Tensors.Memory;

/// <summary>How much memory the machine has to give.</summary>
public static class SystemMemory
{
    /// <summary>
    /// The bytes that can be had now without swapping: on Linux what the kernel says is available, within the process's control
    /// group if that is less; elsewhere what the runtime says.
    /// </summary>
    public static long Available()
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo(); // TotalAvailableMemoryBytes honours a container's limit
        long available = info.TotalAvailableMemoryBytes;
        if (!OperatingSystem.IsLinux())
            return available - Environment.WorkingSet;
        foreach (string line in File.ReadLines("/proc/meminfo"))
        {
            if (!line.StartsWith("MemAvailable:", StringComparison.Ordinal))
                continue;
            string kilobytes = line["MemAvailable:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
            return Math.Min(available, long.Parse(kilobytes, System.Globalization.CultureInfo.InvariantCulture) * 1024);
        }
        return available;
    }
}
