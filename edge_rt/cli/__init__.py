"""The `edge-rt` command: one file a subcommand."""
