"""The subcommands that work without the daemon: one file each, and what they share."""
