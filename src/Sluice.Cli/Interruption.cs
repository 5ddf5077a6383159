using System.Runtime.InteropServices;

namespace Sluice.Cli;

/// <summary>
/// Ctrl-C and the signals that end a process become a cancellation, so that a command can say what it did and tidy up. The second
/// one ends the process at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private const int SignalBase = 128; // a shell's exit code for a process that a signal ended

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interruption() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Interrupt(context, 2)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Interrupt(context, 15)),
    ];

    public CancellationToken Token => _source.Token;

    /// <summary>What the process exits with if it was interrupted.</summary>
    public int? ExitCode { get; private set; }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _source.Dispose();
    }

    private void Interrupt(PosixSignalContext context, int signal)
    {
        if (ExitCode is { } code)
            Environment.Exit(code); // others may have handlers too, which would let it go on
        ExitCode = SignalBase + signal;
        context.Cancel = true;
        _source.Cancel();
    }
}
