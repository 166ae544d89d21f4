"""Where documents come in and results go out: sources, intake, client, command line."""
