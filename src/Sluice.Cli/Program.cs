return await Sluice.Cli.CommandLine.RunAsync(args);
