"""The subcommands that speak with the daemon: one file each."""
